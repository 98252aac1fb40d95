import pytest
from torch import nn

from qcompile.errors import RecipeError
from qcompile.frontend.mixed.candidates import Candidates, select_candidates
from qcompile.models import build_network

ALL, FROM_THREE, EIGHT = (2, 3, 4, 5, 6, 8), (3, 4, 5, 6, 8), Candidates((8,), (8,))


@pytest.mark.parametrize("row", [(), (4, 2), (2, 2), (1, 2), (8, 9), (2.0,)])
@pytest.mark.parametrize("which", ["weight", "activation"])
def test_rows_that_are_not_ascending_bits_from_two_to_eight_are_refused(row, which):
    with pytest.raises(RecipeError, match=rf"{which} candidates are .*, wanted whole numbers from 2 to 8, ascending"):
        Candidates(**({"weight": (2,), "activation": (2,)} | {which: row}))


def test_the_first_and_the_last_layer_have_eight_bits_and_the_others_all():
    found = select_candidates(build_network("lenet5"), {})
    assert found == {"conv1": EIGHT, "conv2": Candidates(ALL, ALL), "fc1": Candidates(ALL, ALL), "fc2": EIGHT}
    assert list(found) == ["conv1", "conv2", "fc1", "fc2"]


def test_a_single_layer_has_eight_bits():
    assert select_candidates(nn.Sequential(nn.Linear(2, 3)), {}) == {"0": EIGHT}


def test_depthwise_convolutions_begin_at_three_bits_and_other_groups_do_not():
    network = nn.Sequential(
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 8, 1, groups=4),
        nn.Conv1d(8, 4, 1, groups=4),
        nn.Conv2d(1, 2, 1),
        nn.Linear(2, 2),
    )
    found = select_candidates(network, {})
    assert [its.weight[0] for its in found.values()] == [8, 3, 2, 2, 8]
    assert found["1"] == Candidates(FROM_THREE, FROM_THREE)


def test_rules_come_before_what_is_usual_and_the_first_match_wins():
    two, four = Candidates((2,), (2, 4)), Candidates((4,), (4,))
    found = select_candidates(build_network("lenet5"), {"conv1": two, "conv*": four})
    assert [found[name] for name in ("conv1", "conv2", "fc2")] == [two, four, EIGHT]


def test_a_pattern_without_a_layer_names_near_ones():
    with pytest.raises(RecipeError, match=r'"cnov1" matches no layer; near names: conv1'):
        select_candidates(build_network("lenet5"), {"cnov1": EIGHT})


def test_a_network_without_layers_is_refused():
    with pytest.raises(RecipeError, match="no Linear, Conv1d or Conv2d"):
        select_candidates(nn.Sequential(nn.ReLU()), {})
