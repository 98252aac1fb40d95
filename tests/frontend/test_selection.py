import pytest
from torch import nn

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Adaptive, ScaledTernary
from qcompile.frontend.selection import select_codebooks
from qcompile.models import build_network

TWO, FOUR = Adaptive(2), Adaptive(4)


def test_the_first_match_wins_and_biases_take_no_part():
    chosen = select_codebooks(build_network("lenet5"), {"fc2": "float", "fc*": TWO, "*": FOUR})
    assert chosen == {"conv1.weight": FOUR, "conv2.weight": FOUR, "fc1.weight": TWO}


def test_only_linear_and_convolution_weights_are_candidates():
    network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Embedding(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    assert list(select_codebooks(network, {"*": TWO})) == ["0.weight", "4.weight"]


def test_a_layer_may_be_the_whole_network():
    assert select_codebooks(nn.Linear(2, 3), {"*": TWO}) == {"weight": TWO}


def test_a_weight_that_two_layers_share_counts_once():
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    assert list(select_codebooks(network, {"*": TWO})) == ["0.weight"]


def test_a_pattern_that_matches_nothing_names_near_layers():
    with pytest.raises(RecipeError, match=r'"cnov1" matches no layer; near names: conv1'):
        select_codebooks(build_network("lenet5"), {"cnov1": TWO, "*": FOUR})


def test_a_pattern_that_earlier_ones_shadow_is_refused():
    with pytest.raises(RecipeError, match=r'earlier patterns take all that "fc1" matches'):
        select_codebooks(build_network("lenet5"), {"*": TWO, "fc1": ScaledTernary()})


def test_choosing_no_layer_is_refused():
    with pytest.raises(RecipeError, match="no layer gets a codebook; the layers are fc1, fc2, fc3"):
        select_codebooks(build_network("lenet300"), {"*": "float"})
