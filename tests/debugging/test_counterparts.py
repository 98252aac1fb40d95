import numpy as np
import pytest

from qcompile.debugging.counterparts import Counterpart, find_counterparts
from qcompile.places import CodePlace
from tests.networks import NETWORKS
from tests.test_compile_integers import compiled


@pytest.mark.parametrize(
    ("place", "shape", "stored"),
    [
        (CodePlace("t", 0.5, 7), (2, 5), (2, 5)),
        (CodePlace("t", 0.5, 7, channels_last=True), (2, 3, 4, 5), (2, 4, 5, 3)),
        (CodePlace("t", 0.5, 7, channels_last=True), (2, 3, 4), (2, 4, 3)),
        (CodePlace("t", 0.5, 7, flattened=(4, 5, 3)), (2, 60), (2, 60)),
    ],
)
def test_codes_say_the_numbers_again_in_the_layout_of_the_model(place, shape, stored):
    codes = np.random.default_rng(0).integers(0, 256, shape)
    numbers = ((codes - 7) * 0.5).astype(np.float32)
    counterpart = Counterpart("t", "t", place)
    found = counterpart.encode(numbers)
    assert found.dtype == np.uint8
    assert found.shape == stored
    np.testing.assert_array_equal(counterpart.decode(found), numbers)


def test_flattened_codes_count_channels_last():
    numbers = np.arange(6, dtype=np.float32).reshape(1, 6)  # two channels of three
    codes = Counterpart("t", "t", CodePlace("t", 1.0, 0, flattened=(3, 2))).encode(numbers)
    assert codes.tolist() == [[0, 3, 1, 4, 2, 5]]


def test_numbers_are_rounded_and_cut_to_the_codes_that_occur():
    counterpart = Counterpart("t", "t", CodePlace("t", 0.5, 4), lowest=2, highest=9)
    numbers = np.array([-9, -1.5, -1, 0, 0.24, 0.26, 2.5, 3, 3.1, 99], np.float32)
    assert counterpart.encode(numbers).tolist() == [2, 2, 2, 4, 4, 5, 9, 9, 9, 9]
    assert counterpart.clips(numbers).tolist() == [True] + [False] * 7 + [True, True]


def test_what_is_no_number_is_the_lowest_code():
    counterpart = Counterpart("t", "t", CodePlace("t", 0.5, 4), lowest=2, highest=9)
    assert counterpart.encode(np.array([np.nan, np.inf, -np.inf], np.float32)).tolist() == [2, 9, 2]


def test_a_rectifier_does_not_count_as_clipping():
    counterpart = Counterpart("t", "t", CodePlace("t", 0.5, 4), lowest=4, highest=9)
    assert counterpart.clips(np.array([-99.0, 99.0])).tolist() == [False, True]


def test_floats_stand_for_themselves():
    numbers = np.array([1.0, 2.0], np.float32)
    counterpart = Counterpart("t", "t")
    assert counterpart.encode(numbers) is counterpart.decode(numbers) is numbers
    assert not counterpart.clips(numbers).any()


def test_codes_that_are_called_like_a_tensor_of_the_model_are_not_taken_for_it():
    network = NETWORKS["hostile_names"]()
    found = find_counterparts(network.proto(), compiled(network))
    assert found["a.codes"].tensor == "a.codes"  # which compiling happens to give to the right one
    assert found["x.codes"] == Counterpart("x", "x", found["x.codes"].place, 0, 255)
