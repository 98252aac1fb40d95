import dataclasses

import numpy as np
import pytest

from qcompile.codebooks import CodebookWeights, cancel_errors, fit_lookup
from qcompile.rounding.codebook_layer import round_to_codebooks
from tests.rounding.test_layer import DAMPING, moments_of, samples, weight

PER = ["tensor", "scaled", "channel"]


def changed(rows, x, values):
    """The variance of what outputs on ``x`` [rows, k] change by."""
    return np.var(x @ (values.astype(np.float64) - rows).T, axis=0).sum()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("bits", [1, 2, 4, 6])  # at 8 a codebook of an output has nearly all of its 300 numbers
def test_outputs_are_nearer_to_the_float_ones_than_without_samples(rng, per, bits):
    rows, x, weights = weight(rng, 6, 300), samples(rng, rows=900, columns=300), CodebookWeights(bits, per)
    rounded = round_to_codebooks(rows, moments_of(x), weights, DAMPING)
    without = cancel_errors(rows, fit_lookup(rows, weights), 1)
    assert changed(rows, x[0], rounded.lookup.values()) < 0.8 * changed(rows, x[0], without.values())
    assert rounded.error.sum() <= rounded.plain_error.sum()


@pytest.mark.parametrize("per", PER)
def test_outputs_on_other_inputs_are_nearer_too(rng, per):
    rows, x, weights = weight(rng, 20, 40), samples(rng, rows=4000, columns=40), CodebookWeights(3, per)
    rounded = round_to_codebooks(rows, moments_of(x[:, :3000]), weights, DAMPING)
    without = cancel_errors(rows, fit_lookup(rows, weights), 1)
    others = x[0, 3000:]
    assert changed(rows, others, rounded.lookup.values()) < 0.8 * changed(rows, others, without.values())


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_the_lookup_is_one_of_its_kind(rng, per, bits):
    rows, x = weight(rng, 6, 20), samples(rng, groups=2, columns=20)
    found = round_to_codebooks(rows, moments_of(x), CodebookWeights(bits, per), DAMPING).lookup
    assert found.codebook.shape == (6 if per == "channel" else 1, 2**bits)
    assert found.codebook.dtype == np.float32
    assert (np.diff(found.codebook) >= 0).all()
    assert found.entries.dtype == np.uint8
    assert found.entries.max() < 2**bits
    assert (found.scales is not None) == (per == "scaled")
    assert found.scales is None or found.scales.dtype == np.float32


@pytest.mark.parametrize("per", PER)
def test_the_shift_keeps_the_mean_of_each_output(rng, per):
    rows, x = weight(rng), samples(rng)
    rounded = round_to_codebooks(rows, moments_of(x), CodebookWeights(2, per), DAMPING)
    found = x[0] @ rounded.lookup.values().astype(np.float64).T + rounded.shift
    # Sums of 12 products and means of 400 in float64: some hundred roundings of numbers of about ten.
    np.testing.assert_allclose(found.mean(axis=0), (x[0] @ rows.T).mean(axis=0), atol=1e-11)


def test_what_rounded_layers_before_it_changed_is_mended(rng):
    """The layer reads half of what it read: twice the weight is right."""
    rows, x = weight(rng), samples(rng)
    rounded = round_to_codebooks(rows, moments_of(x, x / 2), CodebookWeights(8), DAMPING)
    halves = [np.var(x[0] / 2 @ values.T - x[0] @ rows.T, axis=0).sum() for values in (rounded.lookup.values(), rows)]
    assert halves[0] < 0.02 * halves[1]


def test_each_group_is_rounded_by_what_it_reads(rng):
    rows, x = weight(rng, outputs=6), samples(rng, groups=3)
    whole = round_to_codebooks(rows, moments_of(x), CodebookWeights(2, "channel"), DAMPING)
    for group in range(3):
        part = slice(2 * group, 2 * group + 2)
        alone = round_to_codebooks(rows[part], moments_of(x[group : group + 1]), CodebookWeights(2, "channel"), DAMPING)
        assert alone.error.sum() <= 1.02 * whole.error[part].sum()  # turns end when all groups together gain little
        assert whole.error[part].sum() <= 1.02 * alone.error.sum()


@pytest.mark.parametrize("per", PER)
def test_inputs_that_never_vary_and_fewer_samples_than_columns_do_no_harm(rng, per):
    rows, x = weight(rng), samples(rng, rows=3)
    x[:, :, 3] = 0
    x[:, :, 5] = x[:, :, 4]
    for inputs in (x, np.full((1, 30, 12), 2.0)):
        rounded = round_to_codebooks(rows, moments_of(inputs), CodebookWeights(4, per), DAMPING)
        assert np.isfinite(rounded.lookup.values()).all()
        assert rounded.error.sum() <= rounded.plain_error.sum()


@pytest.mark.parametrize("per", PER)
def test_one_input_and_one_output(rng, per):
    rounded = round_to_codebooks(
        weight(rng, 1, 1), moments_of(samples(rng, columns=1)), CodebookWeights(3, per), DAMPING
    )
    assert rounded.lookup.values().shape == (1, 1)


@pytest.mark.parametrize("per", PER)
def test_an_output_of_zeros_stays_zero(rng, per):
    rows = weight(rng)
    rows[2] = 0
    rounded = round_to_codebooks(rows, moments_of(samples(rng)), CodebookWeights(6, per), DAMPING)
    limit = 0 if per != "tensor" else 0.05 * np.abs(rows).max()  # a codebook for all need not have a zero
    assert np.abs(rounded.lookup.values()[2]).max() <= limit


def test_the_same_again(rng):
    rows, moments = weight(rng), moments_of(samples(rng))
    first, again = (round_to_codebooks(rows, moments, CodebookWeights(3), DAMPING) for _ in range(2))
    for field in dataclasses.fields(first.lookup):
        np.testing.assert_array_equal(getattr(first.lookup, field.name), getattr(again.lookup, field.name))
