import numpy as np
import pytest

from qcompile.rounding.grid import Grid, whole_numbers


def test_values_are_numbers_times_the_step_of_their_row():
    grid = Grid(np.array([-1.0, 0.0, 3.0]), np.array([1.0, 2.0]))
    np.testing.assert_array_equal(grid.values(np.array([[0, 2], [1, 2]])), [[-1, 3], [0, 6]])
    np.testing.assert_array_equal(grid.values(np.array([2, 0])), [3, -2])


@pytest.mark.parametrize("numbers", [whole_numbers(3), np.array([-2.5, -0.1, 0.0, 0.7])])
def test_nearest_is_the_nearest_of_all(numbers):
    rng = np.random.default_rng(0)
    grid, rows = Grid(numbers, rng.random(4) + 0.1), 3 * rng.standard_normal((4, 50))
    distances = np.abs(rows[:, :, None] - numbers * grid.steps[:, None, None])
    np.testing.assert_array_equal(grid.nearest(rows), distances.argmin(axis=2))


def test_beyond_the_ends_the_ends_are_nearest():
    grid = Grid(whole_numbers(2), np.array([0.5]))
    assert grid.nearest(np.array([[-1e9, 1e9]])).tolist() == [[0, 3]]


def test_whole_numbers_of_each_width():
    assert whole_numbers(1).tolist() == [-1, 1]
    assert whole_numbers(3).tolist() == [-4, -3, -2, -1, 0, 1, 2, 3]
