import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.errors import QCompileError
from qcompile.frontend.mixed.candidates import Candidates, select_candidates
from qcompile.frontend.mixed.tracing import trace_quantized
from qcompile.models import build_network

ANY = Candidates((2, 8), (2, 8))


class Sample(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def trace(network, candidates=None):
    return trace_quantized(network, candidates or select_candidates(network, {}), torch.zeros(2, 4), "layer")


def test_the_network_is_not_changed():
    network = Sample(lambda net, x: net.second(net.first(x))).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    graph = trace(network)
    with torch.no_grad():
        graph.first.weight.zero_()
    assert not network.training
    assert type(network.first) is nn.Linear
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_tracing_leaves_batch_statistics_alone():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    graph = trace_quantized(network, select_candidates(network, {}), torch.ones(2, 4), "layer")
    assert torch.equal(graph.get_submodule("1").running_mean, torch.zeros(4))


def test_buffers_that_are_not_saved_stay_so():
    network = build_network("resnet20")
    graph = trace_quantized(network, select_candidates(network, {}), torch.zeros(2, 3, 8, 8), "layer")
    assert "normalize.mean" in dict(graph.named_buffers())
    assert "normalize.mean" not in graph.state_dict()
    assert network.state_dict().keys() <= graph.state_dict().keys()


def test_a_network_that_branches_on_numbers_is_refused_with_the_reason():
    with pytest.raises(QCompileError, match=r"torch\.fx cannot trace Sample: symbolically traced variables cannot"):
        trace(Sample(lambda net, x: net.second(x) if x.sum() > 0 else net.first(x)))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda net, x: net.second(net.first(net.first(x))), "first: runs 2 times in a pass, wanted once"),
        (lambda net, x: net.first(x), "second: runs 0 times in a pass, wanted once"),
        (lambda net, x: net.second(F.linear(net.first(x), x)), "linear: a layer as a function has no name in a plan"),
        (lambda net, x: net.second(F.dropout(net.first(x))), "dropout: F.dropout would drop in deployment too"),
    ],
)
def test_what_would_not_be_deployed_as_it_is_learned_is_refused(forward, message):
    with pytest.raises(QCompileError, match=message):
        trace(Sample(forward))


def test_layers_that_share_a_weight_are_refused():
    network = Sample(lambda net, x: net.second(net.first(x)))
    network.second.weight = network.first.weight
    with pytest.raises(QCompileError, match="second: has no candidates, or its weight is another layer's"):
        trace(network)


def test_names_that_are_no_layers_are_refused():
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with pytest.raises(QCompileError, match="1: ReLU cannot be quantized"):
        trace(network, {"0": ANY, "1": ANY})
    with pytest.raises(QCompileError, match="two: runs 0 times"):
        trace(network, {"0": ANY, "two": ANY})


def test_a_layer_that_cannot_be_quantized_is_named():
    network = nn.Sequential(nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular"))
    with pytest.raises(QCompileError, match=r'0: padding_mode is "circular"'):
        trace(network)
