import numpy as np
import pytest

from qcompile.codebooks.levels import Levels
from qcompile.rounding.descent import descend, descend_one_by_one
from qcompile.rounding.second_order import BLOCK, inverse_factor, output_errors, round_second_order
from tests.rounding.test_second_order import layer


def levels_of(rng, outputs, shared):
    codebook = np.sort(rng.standard_normal(5 if shared else (outputs, 5)), axis=-1)
    return Levels(codebook, rng.uniform(0.5, 1.5, outputs))


def nearest(target, levels):
    return np.stack([levels.nearest(column) for column in target.T], axis=1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("columns", [1, 2, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
@pytest.mark.parametrize("shared", [True, False])
def test_the_fast_descent_is_the_definition(rng, columns, shared):
    target, moments = layer(rng, 3, columns)
    levels = levels_of(rng, 3, shared)
    start = nearest(target, levels)
    # What is rounded differs by sums of 131 products in another order: 1e-13 of a weight. That a number lies so near
    # a middle has a chance of 1e-10 in this test.
    np.testing.assert_array_equal(
        descend(target, moments, levels, start), descend_one_by_one(target, moments, levels, start)
    )


def test_no_output_gets_worse_pass_after_pass_until_nothing_moves(rng):
    target, moments = layer(rng, 6, 40)
    levels = levels_of(rng, 6, True)
    entries, error = nearest(target, levels), np.full(6, np.inf)
    for _ in range(40):
        before, entries = entries, descend(target, moments, levels, entries)
        found = output_errors(target - levels.values(entries), moments)
        assert (found <= error * (1 + 1e-12)).all()  # sums of 1,600 products in float64
        error = found
    np.testing.assert_array_equal(entries, before)


def test_no_other_entry_of_one_number_is_better_at_the_end(rng):
    target, moments = layer(rng, 2, 9)
    levels, entries = levels_of(rng, 2, False), np.zeros((2, 9), np.intp)
    for _ in range(30):
        entries = descend(target, moments, levels, entries)
    least = output_errors(target - levels.values(entries), moments)
    for column in range(9):
        for entry in range(5):
            other = entries.copy()
            other[:, column] = entry
            assert (output_errors(target - levels.values(other), moments) >= least * (1 - 1e-12)).all()


def test_it_mends_what_second_order_rounding_left(rng):
    target, moments = layer(rng, 30, 80)
    levels = Levels(np.linspace(-2, 2, 8), np.ones(30))
    entries = round_second_order(target, inverse_factor(moments), levels)
    errors = [
        output_errors(target - levels.values(each), moments).sum()
        for each in (entries, descend(target, moments, levels, entries))
    ]
    assert errors[1] < 0.97 * errors[0]


def test_a_row_whose_scale_is_zero_stays_zero(rng):
    target, moments = layer(rng, 2, 6)
    levels = Levels(np.array([-1.0, 2.0]), np.array([0.0, 1.0]))
    assert not levels.values(descend(target, moments, levels, np.zeros((2, 6), np.intp)))[0].any()
