import numpy as np
import pytest

from qcompile.rounding.grid import Grid, whole_numbers
from qcompile.rounding.groups import groups_of
from qcompile.rounding.improving import improve
from qcompile.rounding.moments import MomentSums
from qcompile.rounding.second_order import inverse_factor, output_errors, round_second_order


def group_of(rng, outputs=20, columns=70):  # more than the columns of a block
    mixing, sums = rng.standard_normal((columns, columns)), MomentSums()
    x = rng.standard_normal((1, 300, columns)) @ mixing
    sums.add(x, x)
    [group] = groups_of(rng.standard_normal((outputs, columns)).astype(np.float32), sums.moments(), 0.01)
    return group


def rounded(group, choices, steps):
    grid = Grid(choices, steps.astype(np.float64))
    entries = round_second_order(group.target, inverse_factor(group.damped), grid)
    return choices[entries].astype(np.int16), steps, output_errors(group.target - grid.values(entries), group.damped)


@pytest.mark.parametrize("choices", [whole_numbers(1), whole_numbers(2), whole_numbers(4), np.array([-127.0, 3, 40])])
def test_no_row_gets_worse_and_most_get_better(choices):
    group = group_of(np.random.default_rng(0))
    steps = (np.abs(group.target).max(axis=1) / np.abs(choices).max()).astype(np.float32)
    before = rounded(group, choices, steps)
    numbers, steps, errors = improve(group, choices, before)
    assert (errors <= before[2]).all()
    assert (errors < before[2]).mean() > 0.9
    assert set(np.unique(numbers)) <= set(choices)
    assert (steps > 0).all()
    differences = group.target - numbers * steps[:, None].astype(np.float64)
    np.testing.assert_array_equal(errors, output_errors(differences, group.damped))


def test_what_is_exact_stays():
    group, choices = group_of(np.random.default_rng(1)), whole_numbers(3)
    numbers = np.random.default_rng(2).choice(choices, group.target.shape)
    steps = np.full(len(numbers), 0.5, np.float32)
    group.target[:] = numbers * 0.5
    found = improve(group, choices, (numbers.astype(np.int16), steps, np.zeros(len(numbers))))
    np.testing.assert_array_equal(found[0], numbers)
    np.testing.assert_array_equal(found[1], steps)


def test_a_row_of_zeros_keeps_its_step():
    group, choices = group_of(np.random.default_rng(3), outputs=2), whole_numbers(4)
    group.target[0] = 0
    before = rounded(group, choices, np.array([0.25, 0.25], np.float32))
    numbers, steps, errors = improve(group, choices, before)
    assert not numbers[0].any()
    assert steps[0] == 0.25
    assert errors[0] == 0
