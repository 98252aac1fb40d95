import itertools

import numpy as np
import pytest

from qcompile.codebooks.near_optimal import bounded_codebooks
from qcompile.codebooks.optimal_kmeans import optimal_codebooks


def error_of(weights, masses, codebook):
    return float((masses * np.square(weights[:, None] - codebook).min(axis=1)).sum())


def least_error_of_any_runs(weights, masses, entries):
    """Over all ways to cut the sorted ``weights`` into ``entries`` runs, some of them empty."""
    best = np.inf
    for cuts in itertools.combinations_with_replacement(range(len(weights) + 1), entries - 1):
        error = 0.0
        for first, last in itertools.pairwise((0, *cuts, len(weights))):
            run, mass = weights[first:last], masses[first:last]
            if mass.sum() > 0:
                error += float((mass * np.square(run - (run * mass).sum() / mass.sum())).sum())
        best = min(best, error)
    return best


@pytest.mark.parametrize("count", [1, 2, 5, 9])
@pytest.mark.parametrize("entries", [1, 2, 3, 4])
def test_small_rows_have_the_least_error_of_any_runs_with_masses(count, entries):
    rng = np.random.default_rng(count)
    weights = np.sort(rng.standard_normal((3, count)))
    masses = rng.integers(1, 5, (3, count)).astype(np.float64)
    codebooks = bounded_codebooks(weights, entries, masses)
    assert codebooks.shape == (3, entries)
    for row in range(3):
        wanted = least_error_of_any_runs(weights[row], masses[row], entries)
        # Running sums of at most 9 terms below 40 are rounded to 2**-48 of that; squared errors are their differences.
        assert error_of(weights[row], masses[row], codebooks[row]) == pytest.approx(wanted, abs=2.0**-42)


def test_a_mass_counts_as_so_many_equal_weights():
    rng = np.random.default_rng(1)
    weights = np.sort(rng.standard_normal((1, 40)))
    masses = rng.integers(0, 4, (1, 40))
    repeated = np.repeat(weights[0], masses[0])[None]
    found = bounded_codebooks(weights, 4, masses.astype(np.float64))
    # Means of the same numbers in another order of summing: 40 roundings of 2**-53 of at most 40 numbers below 4.
    np.testing.assert_allclose(found, bounded_codebooks(repeated, 4), rtol=0, atol=2.0**-42)


@pytest.mark.parametrize(("entries", "share"), [(2, 1.001), (8, 1.001), (32, 1.001), (256, 1.05)])
def test_a_bounded_cost_is_near_the_optimum(entries, share):
    weights = np.random.default_rng(2).standard_normal((1, 9000))
    weights = np.sort(weights * np.abs(weights))  # long tails
    least = optimal_codebooks(weights, entries).distortion(entries)[0]
    found = bounded_codebooks(weights, entries, most_candidates=1 << 18)
    assert least * (1 - 1e-9) <= error_of(weights[0], 1.0, found[0]) <= least * share


def test_a_bounded_cost_counts_masses():
    rng = np.random.default_rng(3)
    weights = np.sort(rng.standard_normal((2, 5000)))
    masses = np.where(weights > 0, 100.0, 1.0)
    least = optimal_codebooks(weights, 8, masses).distortion(8)
    found = bounded_codebooks(weights, 8, masses, most_candidates=1 << 10)
    for row in range(2):
        assert error_of(weights[row], masses[row], found[row]) <= least[row] * 1.01


@pytest.mark.parametrize("most", [1, 1 << 24])
def test_fewer_distinct_weights_than_entries_repeat_the_last_one(most):
    weights = np.array([[-1.0, -1.0, 2.0, 3.0, 3.0], [5.0, 5.0, 5.0, 5.0, 5.0]])
    found = bounded_codebooks(weights, 6, most_candidates=most)
    # A mean less the center, plus the center: two roundings of numbers below 8.
    np.testing.assert_allclose(found, [[-1, 2, 3, 3, 3, 3], [5] * 6], rtol=0, atol=2.0**-49)
