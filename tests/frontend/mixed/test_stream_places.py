"""Where streams are rounded, on networks of a few lines. Each forward says in words what must be found."""

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.quantized_layer import QuantizedLayer
from qcompile.frontend.mixed.stream_quantizer import StreamQuantizer
from qcompile.frontend.mixed.tracing import STREAMS, trace_quantized
from qcompile.frontend.selection import candidate_layers

ANY = Candidates((2, 8), (2, 8))
IMAGES = torch.zeros(2, 4, 6, 6)


class Sample(nn.Module):
    """Layers of different sizes, for the forward that is given."""

    def __init__(self, forward, unused=()):
        super().__init__()
        self.small, self.middle = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.large = nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.other_norm = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.last = nn.Linear(4, 2)
        self.relu, self.identity, self.dropout = nn.ReLU(inplace=True), nn.Identity(), nn.Dropout(0.5)
        self.sigmoid, self.pool = nn.Sigmoid(), nn.AdaptiveAvgPool2d(1)
        self._forward = forward
        for name in unused:
            delattr(self, name)

    def forward(self, x):
        return self._forward(self, x)


def traced(forward, *unused):
    network = Sample(forward, unused)
    names = candidate_layers(network)
    graph = trace_quantized(network, dict.fromkeys(names, ANY), IMAGES, "layer")
    graph(IMAGES)
    return graph


def streams(graph):
    return [
        name.removeprefix(f"{STREAMS}.")
        for name, module in graph.named_modules()
        if isinstance(module, StreamQuantizer)
    ]


def readers(graph):
    """The layers that read streams."""
    return [name for name, module in graph.named_modules() if isinstance(module, QuantizedLayer) and module.reads_codes]


def test_a_chain_of_layers_has_no_stream():
    def forward(net, x):
        x = F.max_pool2d(F.relu(net.norm(net.large(x))), 2)
        return net.last(net.relu(net.small(net.middle(x))).flatten(2).transpose(1, 2))

    assert streams(traced(forward)) == []


SUMS = {
    "+": lambda a, b: a + b,
    "torch.add": torch.add,
    "+=": operator.iadd,
    "add": lambda a, b: a.add(b),
    "add_": lambda a, b: a.add_(b),
}
CUTS = {
    "F.relu": F.relu,
    "torch.relu": torch.relu,
    "relu": lambda x: x.relu(),
    "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 4.0),
    "clamp": lambda x: torch.clamp(x, 0, 3),
    "clamp method": lambda x: x.clamp(min=0.0),
}


@pytest.mark.parametrize("add", SUMS)
@pytest.mark.parametrize("cut", CUTS)
def test_a_sum_is_rounded_behind_its_rectifier_and_so_is_what_its_layer_adds(add, cut):
    def forward(net, x):
        x = net.relu(net.small(x))
        total = CUTS[cut](SUMS[add](net.norm(net.large(x)), x))
        return net.last(total.mean(dim=(2, 3)))

    graph = traced(forward, "middle")
    found = streams(graph)
    assert found[0] == "relu"
    assert len(found) == 2
    stream = next(node for node in graph.graph.nodes if node.target == f"{STREAMS}.{found[1]}")
    assert stream.args[0].args[0].target in {operator.add, operator.iadd, torch.add, "add", "add_"}
    assert readers(graph) == ["large"]


def test_of_two_layers_the_one_with_the_longer_sums_adds():
    def forward(net, x):
        x = net.norm(net.large(x)) + net.other_norm(net.small(x))
        return net.last(F.relu(x).mean(dim=(2, 3)))

    assert streams(traced(forward, "middle")) == ["x", "other_norm", "relu"]


def test_of_equal_ones_the_later_adds():
    def forward(net, x):
        x = net.large(net.relu(x)) + net.large_too(x)
        return net.last(x.mean(dim=(2, 3)))

    network = Sample(forward, ("small", "middle"))
    network.large_too = nn.Conv2d(4, 4, 3, padding=1)
    graph = trace_quantized(network, dict.fromkeys(candidate_layers(network), ANY), IMAGES, "layer")
    assert "large" in streams(graph)
    assert "large_too" not in streams(graph)


def test_a_layer_whose_result_something_else_reads_does_not_add():
    def forward(net, x):
        x = net.large(x)
        return net.last((x + net.small(x)).mean(dim=(2, 3)))

    assert streams(traced(forward, "middle")) == ["large", "add"]


def test_a_layer_behind_a_rectifier_does_not_add():
    def forward(net, x):
        x = net.small(x) + F.relu(net.large(net.middle(x)))
        return net.last(x.mean(dim=(2, 3)))

    assert streams(traced(forward)) == ["x", "relu", "add"]


def test_what_is_moved_is_rounded_before_it_is_moved():
    def forward(net, x):
        x = F.max_pool2d(F.relu(net.small(x)), 2)
        short = F.pad(x[:, :2, ::1], (0, 0, 0, 0, 1, 1))
        return net.last(F.relu(net.large(x) + net.identity(short)).mean(dim=(2, 3)))

    graph = traced(forward, "middle")
    assert streams(graph) == ["relu", "relu_1"]
    assert readers(graph) == ["large"]


def test_padding_with_other_numbers_is_no_move():
    def forward(net, x):
        x = F.pad(F.relu(net.small(x)), (1, 1, 1, 1), value=1.0)
        return net.last((net.large(x) + x).mean(dim=(2, 3)))

    assert streams(traced(forward, "middle")) == ["pad", "add"]


def test_dropout_and_identity_hide_no_layer():
    def forward(net, x):
        x = net.dropout(net.norm(net.identity(net.large(x)))) + x
        return net.last(net.dropout(F.relu(x)).mean(dim=(2, 3)))

    assert streams(traced(forward, "middle", "small")) == ["x", "relu"]


def test_a_sum_that_two_read_is_rounded_before_its_rectifier():
    def forward(net, x):
        total = net.small(x) + x
        inner = net.large(F.relu(total))
        return net.last((inner + total).mean(dim=(2, 3)))

    graph = traced(forward, "middle")
    assert streams(graph) == ["x", "add", "add_1"]
    assert readers(graph) == ["small"]  # the rectified sum has other codes than the sum


MEANS = {
    "mean": lambda net, x: x.mean((2, 3)),
    "torch.mean": lambda net, x: torch.mean(x, dim=[-1, -2]),
    "AdaptiveAvgPool2d": lambda net, x: net.pool(x).flatten(1),
    "adaptive_avg_pool2d": lambda net, x: F.adaptive_avg_pool2d(x, 1).flatten(1),
}


@pytest.mark.parametrize("mean", MEANS)
def test_what_a_mean_over_space_reads_is_rounded_and_the_layer_behind_rounds_the_mean(mean):
    def forward(net, x):
        return net.last(MEANS[mean](net, F.relu(net.large(x))))

    graph = traced(forward, "middle", "small")
    assert streams(graph) == ["relu"]
    assert readers(graph) == []


def test_a_mean_over_channels_is_left_alone():
    def forward(net, x):
        return net.last(F.relu(net.large(x)).mean(dim=1)[:, :, :4])

    assert streams(traced(forward, "middle", "small")) == []


def test_what_a_function_other_than_a_rectifier_reads_is_rounded():
    def forward(net, x):
        x = net.sigmoid(torch.tanh(net.norm(net.large(x))))
        return net.last(F.silu(net.small(x)).flatten(2).transpose(1, 2)[..., :4])

    graph = traced(forward, "middle")
    assert streams(graph) == ["norm", "small"]
    assert readers(graph) == []


def test_a_function_of_the_input_is_left_alone():
    def forward(net, x):
        return net.last(net.large(torch.tanh(x)).flatten(2).transpose(1, 2))

    assert streams(traced(forward, "middle", "small")) == []


def test_what_several_layers_read_is_rounded_once_for_all():
    def forward(net, x):
        x = F.relu(net.small(x))
        return net.last((net.large(x) * net.middle(x)).flatten(2).transpose(1, 2))

    graph = traced(forward)
    assert streams(graph) == ["relu"]
    assert readers(graph) == ["large", "middle"]


def test_sums_with_constants_and_of_other_shapes_and_with_factors_are_left_alone():
    def forward(net, x):
        x = net.large(net.small(x) + 1.0)
        x = torch.add(net.middle(x + x.mean(dim=(2, 3), keepdim=True)), x, alpha=2)
        return net.last((x + x).flatten(2).transpose(1, 2))

    assert streams(traced(forward)) == []


def test_a_sum_that_no_layer_reads_is_left_alone():
    def forward(net, x):
        return net.large(x) + x

    assert streams(traced(forward, "middle", "small", "last")) == []


def test_everything_reads_the_rounded_stream():
    def forward(net, x):
        total = F.relu(net.large(x) + x)
        return net.last(total.mean(dim=(2, 3))) + total.sum(dim=(2, 3))[:, :2]

    graph = traced(forward, "middle", "small")
    relu = next(node for node in graph.graph.nodes if node.name == "relu")
    assert [reader.target for reader in relu.users] == [f"{STREAMS}.relu"]
