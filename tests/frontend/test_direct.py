import pytest
import torch
from torch import nn

from qcompile.errors import QCompileError, RecipeError
from qcompile.frontend import Adaptive, ScaledTernary, Shared, compress_directly
from qcompile.frontend.direct import fit_all


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


def test_layers_of_one_shared_rule_get_the_same_values_and_others_their_own():
    network = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(4, 3))
    original = [layer.weight.detach().clone() for layer in network]
    first, second = Shared(Adaptive(3)), Shared(Adaptive(3))
    weights = compress_directly(network, {"0": first, "2": first, "1": second, "3": Adaptive(3)})
    assert torch.equal(weights["0.weight"].codebook, weights["2.weight"].codebook)
    together = Adaptive(3).fit(torch.cat([original[0].flatten(), original[2].flatten()])[None])
    assert torch.equal(weights["0.weight"].codebook, together.codebook)
    for place in (1, 3):  # an equal rule is another rule
        assert torch.equal(weights[f"{place}.weight"].codebook, Adaptive(3).fit(original[place]).codebook)
    assert list(weights) == ["0.weight", "1.weight", "2.weight", "3.weight"]


def test_a_joint_step_gets_all_its_layers_at_once_and_what_they_had():
    network, calls = make_network(), []

    class Recording(Shared):
        def fit_jointly(self, weights, previous=None):
            calls.append((list(weights), None if previous is None else list(previous)))
            return super().fit_jointly(weights, previous)

    codebooks = dict.fromkeys(["0.weight", "2.weight"], Recording(Adaptive(2)))
    tensors = {name: network.get_parameter(name) for name in codebooks}
    fit_all(tensors, codebooks, fit_all(tensors, codebooks))
    assert calls == [(["0.weight", "2.weight"], None), (["0.weight", "2.weight"], ["0.weight", "2.weight"])]


def test_a_codebook_that_does_not_suit_a_layer_names_it():
    with pytest.raises(RecipeError, match=r"2\.weight: a codebook serves 2 output channels but .* \[3, 8\] has 3"):
        compress_directly(make_network(), {"*": Adaptive(2, 2)})
