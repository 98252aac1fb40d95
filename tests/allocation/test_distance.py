import numpy as np
import pytest

from qcompile.allocation.distance import output_change


def test_it_is_the_squared_difference_over_the_squared_size():
    wanted = [[np.array([[3.0, 4.0]])], [np.array([[0.0, 5.0]])]]
    found = [[np.array([[3.0, 5.0]])], [np.array([[2.0, 5.0]])]]
    assert output_change(wanted, found) == 5 / 50  # whole numbers: exact
    assert output_change(wanted, wanted) == 0


def test_outputs_count_alike_whatever_their_size():
    wanted = [[np.ones((2, 3)), 1e6 * np.ones((2, 4, 5))]]
    found = [[np.zeros((2, 3)), 1e6 * np.ones((2, 4, 5))]]
    assert output_change(wanted, found) == 0.5


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_infinitely_far(wrong):
    assert output_change([[np.ones(2)]], [[np.array([1.0, wrong])]]) == np.inf


def test_outputs_that_are_zero_have_their_squared_size():
    assert output_change([[np.zeros(2)]], [[np.array([0.0, 3.0])]]) == 9
