import itertools

import numpy as np
import pytest

from qcompile.rounding.grid import Grid, whole_numbers
from qcompile.rounding.second_order import (
    BLOCK,
    inverse_factor,
    output_errors,
    round_one_by_one,
    round_second_order,
)

CODEBOOK = np.array([-1.3, -0.4, 0.05, 0.9])


def layer(rng, outputs, columns, samples=None):
    """A weight and the second moments of correlated inputs, a little damped."""
    mixing = rng.standard_normal((columns, columns)) / np.sqrt(columns) + np.eye(columns)
    x = rng.standard_normal((samples or 4 * columns + 8, columns)) @ mixing
    moments = x.T @ x / len(x)
    return rng.standard_normal((outputs, columns)), moments + 0.01 * np.diag(moments).mean() * np.eye(columns)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def grid_of(rows, bits):
    high = max(1, 2 ** (bits - 1) - 1)
    return Grid(whole_numbers(bits), 0.8 * np.abs(rows).max(axis=1) / high)


@pytest.mark.parametrize("columns", [1, 2, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_the_fast_rounding_is_the_definition(rng, columns, bits):
    rows, moments = layer(rng, 3, columns)
    grid = grid_of(rows, bits)
    # The numbers that are rounded differ by roundings of float64, condition number times columns of them: below
    # 1e3 * 131 * 2^-52 = 3e-11 of a weight. That a number lies so near a middle has a chance of 1e-8 in this test.
    np.testing.assert_array_equal(
        round_second_order(rows, inverse_factor(moments), grid), round_one_by_one(rows, moments, grid)
    )


def test_the_fast_rounding_is_the_definition_for_a_codebook(rng):
    rows, moments = layer(rng, 4, BLOCK + 5)
    grid = Grid(CODEBOOK, rng.random(4) + 0.5)
    np.testing.assert_array_equal(
        round_second_order(rows, inverse_factor(moments), grid), round_one_by_one(rows, moments, grid)
    )


def test_the_factor_is_that_of_the_inverse(rng):
    _, moments = layer(rng, 1, 40)
    factor = inverse_factor(moments)
    assert not np.tril(factor, -1).any()
    # An inverse is right to about columns * condition * 2^-53 relative: 40 * 1e4 * 1e-16 = 4e-11.
    np.testing.assert_allclose(factor.T @ factor @ moments, np.eye(40), atol=1e-9)


def test_the_arguments_are_not_changed(rng):
    rows, moments = layer(rng, 2, 9)
    kept = rows.copy()
    round_second_order(rows, inverse_factor(moments), grid_of(rows, 2))
    round_one_by_one(rows, moments, grid_of(rows, 2))
    np.testing.assert_array_equal(rows, kept)


@pytest.mark.parametrize("numbers", [whole_numbers(1), whole_numbers(2), CODEBOOK])
def test_it_lies_between_the_best_of_all_and_plain_rounding(numbers):
    """Over many tiny layers, whose weights the grid covers."""
    totals = np.zeros(3)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        _, moments = layer(rng, 1, 5)
        rows, grid = rng.uniform(numbers[0], numbers[-1], (1, 5)), Grid(numbers, np.ones(1))
        every = numbers[np.array(list(itertools.product(range(len(numbers)), repeat=5)))]
        best = output_errors(rows - every, moments).min()
        found = [round_second_order(rows, inverse_factor(moments), grid), grid.nearest(rows)]
        errors = [output_errors(rows - grid.values(entries), moments)[0] for entries in found]
        assert errors[0] >= best * (1 - 1e-12)  # the same sum in another order: a few roundings of float64
        totals += [best, *errors]
    best, second_order, plain = totals
    assert second_order - best < 0.6 * (plain - best)


def test_inputs_that_do_not_depend_on_each_other_are_rounded_to_the_nearest(rng):
    rows = rng.standard_normal((3, 10))
    moments = np.diag(rng.random(10) + 0.1)
    grid = grid_of(rows, 3)
    np.testing.assert_array_equal(round_second_order(rows, inverse_factor(moments), grid), grid.nearest(rows))


def test_a_column_makes_up_for_the_one_before_it():
    """Two equal inputs: their weights 0.4 and 0.4 become 0 and 1, whose sum is nearer to 0.8 than 0 and 0."""
    moments = np.ones((2, 2)) + 1e-6 * np.eye(2)
    grid = Grid(np.array([0.0, 1.0]), np.ones(1))
    found = round_second_order(np.array([[0.4, 0.4]]), inverse_factor(moments), grid)
    assert found.tolist() == [[0, 1]]
    assert grid.nearest(np.array([[0.4, 0.4]])).tolist() == [[0, 0]]


def test_one_column_is_rounded_to_the_nearest(rng):
    rows = rng.standard_normal((5, 1))
    grid = grid_of(rows, 2)
    found = round_second_order(rows, inverse_factor(np.array([[2.0]])), grid)
    np.testing.assert_array_equal(found, grid.nearest(rows))


def test_moments_that_are_singular_are_refused():
    with pytest.raises(np.linalg.LinAlgError):
        inverse_factor(np.zeros((3, 3)))
