import itertools

import pytest
import torch

from qcompile.codebooks.optimal_kmeans import count_candidates
from qcompile.frontend.codebooks.kmeans import fit_kmeans, start_kmeans
from qcompile.frontend.codebooks.near_optimal import start_near_optimum
from qcompile.frontend.codebooks.optimal_kmeans import optimal_codebooks


def least_error_of_any_runs(weights, masses, entries):
    """Over all ways to cut the sorted ``weights`` into ``entries`` runs, some of them empty."""
    best = float("inf")
    for cuts in itertools.combinations_with_replacement(range(len(weights) + 1), entries - 1):
        error = 0.0
        for first, last in itertools.pairwise((0, *cuts, len(weights))):
            run, mass = weights[first:last], masses[first:last]
            if mass.sum() > 0:
                error += float((mass * (run - (run * mass).sum() / mass.sum()).square()).sum())
        best = min(best, error)
    return best


def error_of(weights, masses, codebook):
    return float((masses * (weights[:, None] - codebook).square().amin(dim=1)).sum())


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9])
@pytest.mark.parametrize("kind", ["normal", "rounded", "equal", "outlier", "far"])
def test_every_number_of_entries_has_the_least_error_of_any_runs(count, kind):
    generator = torch.Generator().manual_seed(count)
    weights = torch.randn(4, count, generator=generator, dtype=torch.float64)
    change = {
        "normal": lambda: weights,
        "rounded": lambda: weights.round(),
        "equal": lambda: torch.ones_like(weights),
        "outlier": lambda: weights + 1e4 * torch.nn.functional.one_hot(torch.tensor(0), count),
        "far": lambda: weights + 1e4,
    }
    weights = change[kind]().sort(dim=1).values
    path = optimal_codebooks(weights, 5)
    ones = torch.ones(count, dtype=torch.float64)
    for row, entries in itertools.product(range(4), range(1, 6)):
        wanted = least_error_of_any_runs(weights[row], ones, entries)
        tolerance = 2.0**-48 * float((weights[row] - weights[row].mean()).square().sum()) + 2.0**-48 * wanted
        assert float(path.distortion(entries)[row]) == pytest.approx(wanted, abs=tolerance)
        assert error_of(weights[row], ones, path.codebook(entries)[row]) == pytest.approx(wanted, abs=2 * tolerance)


def test_masses_count_as_so_many_equal_weights():
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 7, generator=generator, dtype=torch.float64).sort(dim=1).values
    masses = torch.randint(0, 4, (3, 7), generator=generator).double()
    masses[:, 0] += 1
    path = optimal_codebooks(weights, 4, masses)
    for row, entries in itertools.product(range(3), range(1, 5)):
        wanted = least_error_of_any_runs(weights[row], masses[row], entries)
        assert float(path.distortion(entries)[row]) == pytest.approx(wanted, abs=1e-13)
        repeated = weights[row].repeat_interleave(masses[row].long())[None]
        alone = optimal_codebooks(repeated, entries)
        assert float(alone.distortion(entries)) == pytest.approx(wanted, abs=1e-13)


def test_distortions_fall_and_codebooks_rise():
    weights = torch.randn(5, 300, generator=torch.Generator().manual_seed(1)).sort(dim=1).values
    path = optimal_codebooks(weights, 40)
    assert path.distortions.shape == (5, 40)
    assert (path.distortions.diff(dim=1) < 0).all()
    for entries in (1, 2, 17, 40):
        codebook = path.codebook(entries)
        assert codebook.shape == (5, entries)
        assert (codebook.diff(dim=1) > 0).all()


def test_no_local_search_is_better():
    for seed in range(5):
        weights = torch.randn(2, 400, generator=torch.Generator().manual_seed(seed)).sort(dim=1).values
        path = optimal_codebooks(weights, 12)
        for entries in (2, 3, 7, 12):
            local = start_kmeans(weights, entries)
            for row in range(2):
                found = error_of(weights[row].double(), torch.ones(400), local[row])
                assert float(path.distortion(entries)[row]) <= found * (1 + 1e-12)


def test_fewer_distinct_weights_than_entries_repeat_the_last_entry():
    weights = torch.tensor([[-1.0, -1.0, 2.0, 3.0, 3.0]])
    path = optimal_codebooks(weights, 6)
    wanted = torch.tensor([[-1.0, 2.0, 3.0, 3.0, 3.0, 3.0]], dtype=torch.float64)
    assert torch.allclose(path.codebook(6), wanted, rtol=2.0**-48, atol=0)  # a mean less the center, plus the center
    assert torch.equal(path.codebook(6).float(), wanted.float())
    assert path.distortions[0, 2:].amax() <= 2.0**-48


def test_the_cost_is_counted():
    assert count_candidates(1, 1000, 1) == count_candidates(1, 1000, 2) == 1000
    assert count_candidates(2, 1000, 4) == 2 * 1000 * (2 * 10 + 1)


def test_the_start_on_long_rows_is_nearly_optimal():
    weights = torch.randn(1, 9000, generator=torch.Generator().manual_seed(2))
    weights = (weights * weights.abs()).sort(dim=1).values  # long tails
    path = optimal_codebooks(weights, 32)
    for entries in (2, 3, 8, 32):
        local = fit_kmeans(weights, start_near_optimum(weights, entries))
        found = error_of(weights[0].double(), torch.ones(9000), local[0])
        assert found <= float(path.distortion(entries)) * 1.001
