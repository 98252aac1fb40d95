"""What torch rounds is what the compiler makes codes of: both find the places by themselves."""

from collections import Counter

import onnx_ir as ir
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.frontend import export_onnx
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.graph_nodes import Nodes
from qcompile.frontend.mixed.stream_places import origin
from qcompile.frontend.mixed.tracing import STREAMS, trace_quantized
from qcompile.frontend.selection import candidate_layers
from qcompile.passes import fusing_passes
from qcompile.passes._activations import moved_inputs, quantized_tensors

EIGHT = Candidates((8,), (8,))


class OptionA(nn.Module):
    """A shortcut of every second pixel and channels of zeros, then a mean."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = (
            nn.Conv2d(3, 4, 1),
            nn.Conv2d(4, 6, 3, 2, 1, bias=False),
            nn.Conv2d(6, 6, 3, 1, 1),
        )
        self.norm, self.fc = nn.BatchNorm2d(6), nn.Linear(6, 2)

    def forward(self, images):
        x = F.relu(self.stem(images))
        inner = F.relu(self.norm(self.one(x)))
        return self.fc(F.relu(self.two(inner) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))).mean(dim=(2, 3)))


class Projected(nn.Module):
    """A shortcut with weights, behind a pool."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = (
            nn.Conv2d(3, 4, 1),
            nn.Conv2d(4, 5, 3, padding=1),
            nn.Conv2d(4, 5, 1, bias=False),
        )
        self.norm, self.fc = nn.BatchNorm2d(5), nn.Linear(5 * 16, 2)

    def forward(self, images):
        x = F.max_pool2d(F.relu(self.stem(images)), 2)
        return self.fc(torch.flatten(torch.relu(self.norm(self.two(x)) + self.one(x)), 1))


class Inverted(nn.Module):
    """A linear bottleneck with a depthwise convolution, and functions of single numbers."""

    def __init__(self):
        super().__init__()
        self.stem, self.wide, self.depthwise = (
            nn.Conv2d(3, 4, 1),
            nn.Conv2d(4, 8, 1),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8),
        )
        self.narrow, self.hidden, self.last = nn.Conv2d(8, 4, 1), nn.Linear(4, 7), nn.Linear(7, 2)

    def forward(self, images):
        x = self.stem(images)
        x = x + self.narrow(F.relu6(self.depthwise(F.relu6(self.wide(x)))))
        return self.last(torch.sigmoid(torch.tanh(self.hidden(x.mean(dim=(2, 3))))))


def shapes_of_the_compiler(network, images, path):
    export_onnx(network, {}, (images,), path)
    model = ir.load(path)
    for rewrite in fusing_passes(8):
        rewrite(model)
    values = [value for value in quantized_tensors(model) if not _is_moved(value.producer())]
    return Counter(tuple(value.shape.dims[1:]) for value in values)


def _is_moved(node):
    """Also what the compiler makes a convolution of: every second pixel, padded."""
    return node is not None and (bool(moved_inputs(node)) or "subsampl" in str(node.name).lower())


def shapes_of_torch(network, images):
    graph = trace_quantized(network, dict.fromkeys(candidate_layers(network), EIGHT), images, "layer")
    nodes = Nodes(graph)
    streams = [node for node in graph.graph.nodes if str(node.target).startswith(STREAMS)]
    own = [layer for layer in nodes.layers if not nodes.module(layer).reads_codes]
    read = [origin(nodes, layer.all_input_nodes[0]) for layer in own] + [node.args[0] for node in streams]
    return Counter(nodes.shape(node)[1:] for node in read)


@pytest.mark.parametrize("network", [OptionA, Projected, Inverted])
def test_torch_rounds_what_the_compiler_makes_codes_of(network, tmp_path):
    torch.manual_seed(0)
    network, images = network().eval(), torch.rand(2, 3, 8, 8)
    assert shapes_of_torch(network, images) == shapes_of_the_compiler(network, images, tmp_path / "network.onnx")
