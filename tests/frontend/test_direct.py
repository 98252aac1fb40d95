import pytest
import torch
from torch import nn

from qcompile.errors import QCompileError
from qcompile.frontend import Adaptive, ScaledTernary, compress_directly


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten(), nn.Linear(8, 3))


def test_the_network_holds_the_nearest_weights_and_its_own_biases():
    network, original = make_network(), make_network()
    weights = compress_directly(network, {"0": ScaledTernary("channel"), "*": Adaptive(2)})
    assert list(weights) == ["0.weight", "2.weight"]
    assert torch.equal(network[0].weight, ScaledTernary("channel").fit(original[0].weight).decode())
    assert torch.equal(network[2].weight, Adaptive(2).fit(original[2].weight).decode())
    assert torch.equal(network[2].bias, original[2].bias)
    assert torch.equal(weights["2.weight"].decode(), network[2].weight)


def test_a_weight_that_is_not_finite_is_named():
    network = make_network()
    network[2].weight.data[1, 2] = float("inf")
    with pytest.raises(QCompileError, match=r"2\.weight: 1 of 24 weights are not finite"):
        compress_directly(network, {"*": Adaptive(2)})
