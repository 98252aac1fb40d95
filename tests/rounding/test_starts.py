import numpy as np
import pytest

from qcompile.passes.round_weights import number_lookup, round_to_grid
from qcompile.rounding.starts import codebook_start, grid_start


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_codebook_is_of_few_int8_and_nearer_than_the_grid(bits):
    rng = np.random.default_rng(bits)
    rows = rng.standard_normal((8, 60)) * rng.uniform(0.5, 2, (8, 1))
    start = codebook_start(rows, None, bits)
    assert len(start.numbers) <= 2**bits
    assert (np.diff(start.numbers) > 0).all()
    assert np.abs(start.numbers).max() == 127
    assert (start.numbers == np.rint(start.numbers)).all()
    assert np.isin(start.nearest, start.numbers).all()
    error = np.square(start.nearest * start.steps[:, None] - rows).sum()
    if 1 < bits < 6:  # beyond, 127 is not much finer than the grid itself
        numbers, steps = round_to_grid(rows.astype(np.float32), bits)
        assert error < np.square(numbers * steps[:, None] - rows).sum()


def test_masses_say_where_errors_count():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4, 60))
    rows[:, :20] *= 0.1
    masses = np.broadcast_to(np.where(np.arange(60) < 20, 50.0, 0.02), rows.shape)
    errors = []
    for given in (masses, None):
        start = codebook_start(rows, given, 2)
        errors.append((masses * np.square(start.nearest * start.steps[:, None] - rows)).sum())
    assert errors[0] < 0.9 * errors[1]


def test_rows_of_zeros_stay_near_zero():
    start = codebook_start(np.array([[0.0, 0.0], [1.0, -0.5]]), None, 1)
    assert np.abs(start.nearest[0] * start.steps[0]).max() <= 1e-27
    assert np.isfinite(codebook_start(np.zeros((2, 3)), None, 2).tried).all()


def test_a_grid_is_all_numbers_and_their_nearest():
    rows = np.random.default_rng(1).standard_normal((3, 20)).astype(np.float32)
    start = grid_start(rows, rows.astype(np.float64), 3)
    numbers, steps = round_to_grid(rows, 3)
    assert start.numbers.tolist() == list(range(-4, 4))
    np.testing.assert_array_equal(start.nearest, numbers)
    np.testing.assert_array_equal(start.part(slice(1, 2)).steps, steps[1:2])


def test_a_lookup_of_numbers_gives_them_again():
    numbers = np.array([[-127, 3], [3, 90]], np.int16)
    lookup = number_lookup(numbers, np.array([0.5, 2], np.float32), 2)
    assert lookup.codebook.tolist() == [[-127, 3, 90, 90]]
    np.testing.assert_array_equal(lookup.values(), numbers * np.array([[0.5], [2]]))
