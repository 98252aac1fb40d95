import pytest
import torch

from qcompile.frontend.codebooks import Adaptive, Scaled, ScaledShifted

SETS = [(-1.0, 0.0, 1.0), (0.0, 1.0, 2.0, 3.0), (-2.0, -1.0, 0.0, 1.0), (0.0, 1.0, 4.0), (-3.0, -1.0, -0.5, 0.25)]


def lines(values):
    return torch.tensor([[value, 1.0] for value in values])


@pytest.mark.parametrize("values", [(5.0,), (0.0, 1.0), (-1.0, 1.0)])
def test_one_or_two_values_are_kmeans_and_globally_optimal(values, brute):
    for weight in brute.awkward_weights():
        fitted = ScaledShifted(values).fit(weight)
        assert torch.equal(fitted.codebook, Adaptive(len(values)).fit(weight).codebook)
        least = brute.least_error(weight, len(values), lines(values))
        assert brute.squared_error(weight, fitted) <= least + brute.slack(weight, fitted)


@pytest.mark.parametrize("values", SETS)
def test_the_local_optimum_is_mostly_the_least_of_all_assignments(values, brute):
    generator = torch.Generator().manual_seed(1)
    hits = 0
    for _ in range(40):
        weight = torch.randn(6, generator=generator)
        fitted = ScaledShifted(values).fit(weight)
        least = brute.least_error(weight, len(values), lines(values))
        hits += brute.squared_error(weight, fitted) <= least + brute.slack(weight, fitted)
    assert hits >= 38  # it was 40


@pytest.mark.parametrize("values", SETS)
def test_it_is_never_worse_than_without_a_shift(values, brute):
    for weight in [*brute.awkward_weights(), torch.randn(500, generator=torch.Generator().manual_seed(2)) + 0.3]:
        shifted, scaled = ScaledShifted(values).fit(weight), Scaled(values).fit(weight)
        allowed = brute.slack(weight, shifted) + brute.slack(weight, scaled)
        assert brute.squared_error(weight, shifted) <= brute.squared_error(weight, scaled) + allowed


def test_a_shifted_grid_is_found_exactly():
    steps = torch.randint(0, 8, (4, 100), generator=torch.Generator().manual_seed(3))
    steps[:, :8] = torch.arange(8)
    weight = 0.5 * steps + torch.tensor([3.0, -7.0, 100.0, 0.25])[:, None]
    fitted = ScaledShifted(tuple(range(8)), "channel").fit(weight)
    assert torch.equal(fitted.decode(), weight)
    assert torch.equal(fitted.indices.long(), steps)


def test_an_asymmetric_codebook_may_stand_upside_down():
    weight = 10 - torch.tensor([0.0, 1.0, 4.0])
    assert torch.equal(ScaledShifted((0.0, 1.0, 4.0)).fit(weight).decode(), weight)
