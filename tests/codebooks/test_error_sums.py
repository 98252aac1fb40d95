import numpy as np
import pytest

from qcompile.codebooks.error_sums import OUTPUT, TAPS, round_with_sums
from qcompile.codebooks.levels import Levels


def assumed_moments(columns, taps):
    """The H that the module's docstring says."""
    found = np.eye(columns) + OUTPUT
    if taps > 1:
        found += TAPS * np.kron(np.eye(columns // taps), np.ones((taps, taps)))
    return found


def rounded_by_its_definition(rows, levels, moments):
    """Column after column, the rest free: as second-order rounding is defined, with the inverse of all that is free."""
    rows, entries = rows.copy(), np.zeros(rows.shape, np.intp)
    for column in range(rows.shape[1]):
        inverse = np.linalg.inv(moments[column:, column:])
        entries[:, column] = levels.nearest(rows[:, column])
        difference = rows[:, column] - levels.values(entries[:, column])
        rows[:, column:] -= np.outer(difference / inverse[0, 0], inverse[0])
    return entries


@pytest.mark.parametrize(("columns", "taps"), [(1, 1), (7, 1), (9, 9), (12, 3), (27, 9), (40, 4)])
@pytest.mark.parametrize("shared", [True, False])
def test_two_running_sums_give_what_the_definition_gives(columns, taps, shared):
    rng = np.random.default_rng(columns)
    rows = rng.standard_normal((6, columns))
    codebook = np.sort(rng.standard_normal(4 if shared else (6, 4)), axis=-1)
    levels = Levels(codebook, rng.uniform(0.5, 2, 6))
    wanted = rounded_by_its_definition(rows, levels, assumed_moments(columns, taps))
    np.testing.assert_array_equal(round_with_sums(rows, levels, taps), wanted)


def test_errors_cancel():
    rng = np.random.default_rng(0)
    rows, levels = rng.standard_normal((20, 90)), Levels(np.arange(-2.0, 3), np.ones(20))
    entries = round_with_sums(rows, levels, 9)
    nearest = np.stack([levels.nearest(column) for column in rows.T], axis=1)
    moments = assumed_moments(90, 9)
    errors = []
    for each in (entries, nearest):
        differences = np.stack([levels.values(column) for column in each.T], axis=1) - rows
        errors.append(np.einsum("nk,kj,nj->n", differences, moments, differences))
    assert errors[0].sum() < 0.6 * errors[1].sum()


def test_a_row_whose_scale_is_zero_takes_zeros():
    levels = Levels(np.array([-1.0, 2.0]), np.array([0.0, 1.0]))
    entries = round_with_sums(np.array([[3.0, -4.0], [2.0, -1.0]]), levels, 1)
    assert not np.any([levels.values(column)[0] for column in entries.T])
    assert entries[1].tolist() == [1, 0]
