import numpy as np

from qcompile.debugging.grouping import bytes_of_tensors, in_groups
from tests.networks import NETWORKS

SIZES = {"a": 3, "b": 4, "c": 2}


def groups(items, most):
    return list(in_groups(items, SIZES, most))


def test_a_group_holds_what_fits():
    items = [(0, "a"), (1, "b"), (2, "c"), (3, "c")]
    assert groups(items, 7) == [[0, 1], [2, 3]]
    assert groups(items, 9) == [[0, 1, 2, 3]]


def test_a_tensor_counts_once():
    assert groups([(0, "ab"), (1, "ba"), (2, "ac")], 7) == [[0, 1], [2]]


def test_what_is_too_large_or_of_unknown_size_is_alone():
    assert groups([(0, "c"), (1, "ab"), (2, "c")], 5) == [[0], [1], [2]]
    assert groups([(0, "c"), (1, "?"), (2, "c")], 5) == [[0], [1], [2]]
    assert groups([], 5) == []


def test_sizes_are_those_for_the_batch_that_is_run():
    network = NETWORKS["plain"]()
    sizes = bytes_of_tensors(network.proto(), {"x": np.zeros((5, 3, 9, 8), np.float32)})
    assert sizes["x"] == 4 * 5 * 3 * 9 * 8
    assert sizes["relu1"] == 4 * 5 * 8 * 9 * 8
    assert sizes["relu7"] == 4 * 5 * 12
