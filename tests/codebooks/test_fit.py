import itertools

import numpy as np
import pytest

from qcompile.codebooks import CodebookWeights, GridWeights, cancel_errors, fit_lookup, scaled
from qcompile.codebooks.scaled import fit_scaled

PER = ["tensor", "scaled", "channel"]


def error(rows, lookup, masses=1.0):
    return float((masses * np.square(lookup.values().astype(np.float64) - rows)).sum())


def least_of_any_entries(rows, entries):
    """The least squared error of one codebook for all of ``rows``, over all entries that numbers may take."""
    flat, best = rows.reshape(-1).astype(np.float64), np.inf
    for taken in itertools.product(range(entries), repeat=flat.size):
        parts = [flat[np.array(taken) == entry] for entry in range(entries)]
        best = min(best, sum(float(np.square(part - part.mean()).sum()) for part in parts if part.size))
    return best


@pytest.mark.parametrize("per", ["tensor", "channel"])
@pytest.mark.parametrize("bits", [1, 2])
def test_has_the_least_error_of_any_entries(per, bits):
    rows = np.random.default_rng(bits).standard_normal((2, 3)).astype(np.float32)
    found = fit_lookup(rows, CodebookWeights(bits, per))
    parts = rows if per == "channel" else [rows]
    wanted = sum(least_of_any_entries(part, 2**bits) for part in parts)
    # Entries are float32: each of 6 errors, below 4, moves by 2**-24 of an entry below 4, and counts twice.
    assert error(rows, found) == pytest.approx(wanted, abs=6 * 2 * 4 * 2.0**-22)


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("bits", range(1, 9))
def test_each_number_takes_its_nearest_entry_and_more_bits_have_less_error(per, bits):
    rows = np.random.default_rng(0).standard_normal((6, 90)).astype(np.float32)
    found = fit_lookup(rows, CodebookWeights(bits, per))
    assert found.codebook.shape == (6 if per == "channel" else 1, 2**bits)
    assert (np.diff(found.codebook) >= 0).all()
    assert found.codebook.dtype == found.values().dtype == np.float32
    assert (found.scales is not None) == (per == "scaled")
    if found.scales is None:
        table = np.broadcast_to(found.codebook[:, None], (len(found.codebook), 6 * 90 // len(found.codebook), 2**bits))
        distances = np.abs(table - rows.reshape(len(found.codebook), -1, 1))
        np.testing.assert_array_equal(np.abs(found.values() - rows).ravel(), distances.min(axis=2).ravel())
    if bits > 1:
        assert error(rows, found) <= error(rows, fit_lookup(rows, CodebookWeights(bits - 1, per)))


def test_scales_serve_rows_of_different_sizes():
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((8, 200)) * 10.0 ** rng.uniform(-2, 1, (8, 1))).astype(np.float32)
    by_tensor, scaled = (fit_lookup(rows, CodebookWeights(3, per)).values() for per in ("tensor", "scaled"))
    shares = [np.square(each - rows).sum(axis=1) / np.square(rows).sum(axis=1) for each in (by_tensor, scaled)]
    assert shares[1].max() < 0.06
    assert shares[0].max() > 0.5


def test_a_number_times_scales_is_found_again():
    rng = np.random.default_rng(1)
    table, scales = np.array([-1.5, -0.25, 0.5, 2.0]), rng.uniform(0.5, 2, (10, 1))
    rows = (table[rng.integers(0, 4, (10, 400))] * scales).astype(np.float32)
    found = fit_lookup(rows, CodebookWeights(2, "scaled"))
    assert error(rows, found) < 1e-3 * np.square(rows).sum()


@pytest.mark.parametrize("per", PER)
def test_masses_say_where_errors_count(per):
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((4, 60)).astype(np.float32)
    rows[:, :20] *= 0.1
    masses = np.broadcast_to(np.where(np.arange(60) < 20, 50.0, 0.02), rows.shape)
    weights = CodebookWeights(2, per)
    assert error(rows, fit_lookup(rows, weights, masses), masses) < 0.8 * error(rows, fit_lookup(rows, weights), masses)


def test_no_turn_raises_the_error_of_the_first_scales():
    rows = np.random.default_rng(3).standard_normal((5, 50)).astype(np.float32)
    sizes = np.sqrt(np.square(rows, dtype=np.float64).mean(axis=1, keepdims=True))
    first = fit_lookup((rows / sizes).astype(np.float32), CodebookWeights(2, "tensor")).values() * sizes
    scales, codebook = fit_scaled(rows, 4)
    nearest = np.abs(rows[..., None] - scales[:, None, None] * codebook).min(axis=2)
    assert np.square(nearest).sum() <= np.square(first - rows).sum()


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_few_distinct_numbers_are_kept(per, bits):
    rows = np.array([[0, 0, 0], [2, 2, 2], [-1, -1, -1]], np.float32)[: 2 if bits == 1 else 3]
    found = fit_lookup(rows, CodebookWeights(bits, per))
    # A mean less the center, plus the center, in float32; times a scale: three roundings of numbers up to 2.
    np.testing.assert_allclose(found.values(), rows, rtol=0, atol=2 * 3 * 2.0**-24)
    np.testing.assert_array_equal(cancel_errors(rows, found, 3).values(), found.values())


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("size", [1e-44, 1e-30, 1e38])
def test_sizes_at_the_ends_of_float32_stay_finite(per, size):
    rows = np.array([[1, -1, 0.5], [0, 0, 0], [0.25, 3, 0]]) * size
    rows = rows.clip(-3e38, 3e38).astype(np.float32)
    found = cancel_errors(rows, fit_lookup(rows, CodebookWeights(2, per)), 1)
    assert np.isfinite(found.values()).all()
    assert np.abs(found.values() - rows).max() <= 3.1 * size


@pytest.mark.parametrize("per", PER)
def test_zeros_stay_zeros(per):
    assert not fit_lookup(np.zeros((3, 4), np.float32), CodebookWeights(2, per)).values().any()


def test_what_weights_become_is_checked():
    for wrong in (lambda: CodebookWeights(0), lambda: CodebookWeights(9), lambda: GridWeights(0)):
        with pytest.raises(ValueError, match="wanted 1 to 8"):
            wrong()
    with pytest.raises(ValueError, match="wanted one of tensor, scaled, channel"):
        CodebookWeights(4, "row")


@pytest.mark.parametrize("bits", [2, 4])
def test_some_numbers_of_a_large_weight_stand_for_all(bits, monkeypatch):
    rng = np.random.default_rng(bits)
    rows = (rng.standard_normal((300, 400)) * rng.uniform(0.5, 2, (300, 1))).astype(np.float32)
    rows[5, 7], rows[200, 3] = 30, -25  # that few numbers by chance would miss
    masses = np.broadcast_to(rng.uniform(0.2, 3, 400), rows.shape)
    exact = error(rows, fit_lookup(rows, CodebookWeights(bits), masses), masses)
    monkeypatch.setattr(scaled, "SEEN", 1 << 10)
    monkeypatch.setattr(scaled, "LEAST_SEEN", 1 << 14)
    some = fit_lookup(rows, CodebookWeights(bits), masses)
    # An entry is a mean of some 1,000 numbers or more: off by 1 / 30 of their spread, whose square is 0.1 % of the
    # error; turns that end a little earlier or later cost as much again.
    assert error(rows, some, masses) < 1.01 * exact
    again = fit_lookup(rows, CodebookWeights(bits), masses)
    np.testing.assert_array_equal(some.values(), again.values())
