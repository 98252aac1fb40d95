import dataclasses

import numpy as np
import pytest

from qcompile.passes.round_weights import round_to_grid
from qcompile.rounding.layer import round_rows
from qcompile.rounding.moments import MomentSums

DAMPING = 0.01


def samples(rng, groups=1, rows=400, columns=12):
    """Positive, correlated numbers, as behind a rectifier."""
    mixing = rng.standard_normal((columns, columns))
    return np.maximum(rng.standard_normal((groups, rows, columns)) @ mixing + 1, 0)


def moments_of(before, after=None):
    sums = MomentSums()
    sums.add(before, before if after is None else after)
    return sums.moments()


def weight(rng, outputs=6, columns=12):
    return rng.standard_normal((outputs, columns)).astype(np.float32)


def plain(rows, bits):
    numbers, steps = round_to_grid(rows, bits)
    return numbers * steps[:, None].astype(np.float64)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("bits", range(1, 8))
def test_outputs_are_nearer_to_the_float_ones_than_with_the_nearest_numbers(rng, bits):
    rows, x = weight(rng, 20, 40), samples(rng, columns=40)
    rounded = round_rows(rows, moments_of(x), bits, DAMPING)
    wanted = x[0] @ rows.T
    errors = [np.var(x[0] @ values.T - wanted, axis=0).sum() for values in (rounded.values(), plain(rows, bits))]
    assert errors[0] < 0.9 * errors[1]
    assert (rounded.error <= rounded.plain_error).all()


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_shift_keeps_the_mean_of_each_output(rng, bits):
    rows, x = weight(rng), samples(rng)
    rounded = round_rows(rows, moments_of(x), bits, DAMPING)
    found = x[0] @ rounded.values().T + rounded.shift
    # Sums of 12 products and means of 400 in float64: some hundred roundings of numbers of about ten.
    np.testing.assert_allclose(found.mean(axis=0), (x[0] @ rows.T).mean(axis=0), atol=1e-11)


@pytest.mark.parametrize("bits", range(1, 9))
def test_numbers_have_their_bits(rng, bits):
    rounded = round_rows(weight(rng), moments_of(samples(rng)), bits, DAMPING)
    assert rounded.steps.dtype == np.float32
    assert (rounded.steps > 0).all()
    assert rounded.numbers.min() >= -(2 ** (bits - 1))
    assert rounded.numbers.max() <= max(1, 2 ** (bits - 1) - 1)
    assert bits > 1 or set(np.unique(rounded.numbers)) == {-1, 1}


def test_what_rounded_layers_before_it_changed_is_mended(rng):
    """The layer reads half of what it read: twice the weight is right."""
    rows, x = weight(rng), samples(rng)
    rounded = round_rows(rows, moments_of(x, x / 2), 8, DAMPING)
    errors = [np.var(x[0] / 2 @ values.T - x[0] @ rows.T, axis=0).sum() for values in (rounded.values(), rows)]
    assert errors[0] < 0.02 * errors[1]


def test_each_group_is_rounded_by_what_it_reads(rng):
    rows, x = weight(rng, outputs=6), samples(rng, groups=3)
    whole = round_rows(rows, moments_of(x), 3, DAMPING)
    for group in range(3):
        part = slice(2 * group, 2 * group + 2)
        alone = round_rows(rows[part], moments_of(x[group : group + 1]), 3, DAMPING)
        np.testing.assert_array_equal(whole.numbers[part], alone.numbers)
        np.testing.assert_array_equal(whole.steps[part], alone.steps)


def test_inputs_that_never_vary_leave_plain_rounding(rng):
    rows, x = weight(rng), np.full((1, 30, 12), 2.0)
    rounded = round_rows(rows, moments_of(x), 4, DAMPING)
    # Without variance the least error is that of the weight, for which plain rounding tries more steps.
    error = np.square(rounded.values() - rows).sum(axis=1)
    assert (error <= np.square(plain(rows, 4) - rows).sum(axis=1) * (1 + 1e-12)).all()
    np.testing.assert_allclose(x[0] @ rounded.values().T + rounded.shift, x[0] @ rows.T, atol=1e-11)


def test_inputs_that_never_vary_beside_others_do_no_harm(rng):
    rows, x = weight(rng), samples(rng)
    x[:, :, 3] = 0
    x[:, :, 5] = x[:, :, 4]  # singular
    rounded = round_rows(rows, moments_of(x), 4, DAMPING)
    assert np.isfinite(rounded.values()).all()
    assert (rounded.error <= rounded.plain_error).all()


def test_fewer_samples_than_columns_do_no_harm(rng):
    rounded = round_rows(weight(rng), moments_of(samples(rng, rows=3)), 4, DAMPING)
    assert (rounded.error <= rounded.plain_error).all()


def test_one_input(rng):
    rows, x = weight(rng, columns=1), samples(rng, columns=1)
    rounded = round_rows(rows, moments_of(x), 3, DAMPING)
    assert np.abs(rounded.values() - rows).max() <= 1e-6 * np.abs(rows).max()  # a step of its own


def test_an_output_of_zeros_stays_zero(rng):
    rows = weight(rng)
    rows[2] = 0
    rounded = round_rows(rows, moments_of(samples(rng)), 4, DAMPING)
    assert not rounded.values()[2].any()
    assert not rounded.shift[2]


def test_the_same_again(rng):
    rows, moments = weight(rng), moments_of(samples(rng))
    first, again = (round_rows(rows, moments, 3, DAMPING) for _ in range(2))
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_codebook_has_few_numbers_that_all_groups_share(rng, bits):
    rows, x = weight(rng, 8, 40), samples(rng, columns=40)
    rounded = round_rows(rows, moments_of(np.concatenate([x, 2 * x])), bits, DAMPING, "codebook")
    assert len(np.unique(rounded.numbers)) <= 2**bits
    assert np.abs(rounded.numbers).max() <= 127
    assert (rounded.error <= rounded.plain_error).all()


def test_a_codebook_serves_outputs_better_than_the_grid(rng):
    rows, x = weight(rng, 20, 40) ** 3, samples(rng, columns=40)  # long tails
    by_grid, by_codebook = (round_rows(rows, moments_of(x), 3, DAMPING, values) for values in ("grid", "codebook"))
    assert by_codebook.error.sum() < by_grid.error.sum()
