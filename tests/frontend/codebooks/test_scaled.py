import numpy as np
import pytest
import torch

from qcompile.frontend.codebooks import Scaled, ScaledBinary, ScaledTernary
from qcompile.frontend.codebooks.optimal_scale import optimal_scales
from qcompile.frontend.codebooks.scale_bounds import search_by_bounds
from qcompile.frontend.codebooks.scale_events import search_all_events

SETS = [
    (1.0,),
    (0.0,),
    (-1.0, 1.0),
    (-1.0, 0.0, 1.0),
    (-2.0, -1.0, 0.0, 1.0),
    (0.5, 1.0, 3.0),
    (-3.0, -0.5),
    (-0.1, 0.0, 7.0),
    (-1.0, -0.5, 0.0, 0.5, 1.0),
]


@pytest.mark.parametrize("values", SETS)
def test_the_error_is_the_least_of_all_assignments_and_real_scales(values, brute):
    columns = torch.tensor(values)[:, None]
    for weight in brute.awkward_weights(5):
        fitted = Scaled(values).fit(weight)
        least = brute.least_error(weight, len(values), columns)
        assert brute.squared_error(weight, fitted) <= least + brute.slack(weight, fitted)


@pytest.mark.parametrize(("codebook", "values"), [(ScaledBinary(), (-1.0, 1.0)), (ScaledTernary(), (-1.0, 0.0, 1.0))])
def test_the_closed_forms_are_the_least_of_all_assignments(codebook, values, brute):
    for weight in brute.awkward_weights():
        fitted = codebook.fit(weight)
        least = brute.least_error(weight, len(values), torch.tensor(values)[:, None])
        assert brute.squared_error(weight, fitted) <= least + brute.slack(weight, fitted)


def test_a_tie_goes_to_the_lower_entry():
    assert ScaledBinary().fit(torch.tensor([-2.0, 0.0, 2.0])).indices.tolist() == [0, 0, 1]


def test_an_asymmetric_codebook_may_stand_upside_down():
    weight = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0])
    fitted = Scaled((-3.0, -2.0, -1.0, 0.0, 1.0)).fit(weight)
    assert torch.equal(fitted.decode(), weight)
    assert fitted.codebook.tolist() == [[-1.0, 0.0, 1.0, 2.0, 3.0]]


def kinds_of_rows():
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(3000, generator=generator)
    return {
        "normal": normal,
        "tails": normal * normal.abs() ** 3,
        "rounded": normal.mul(4).round(),
        "positive": normal.abs() + 0.1,
        "two clusters": torch.cat([normal[:1500] * 1e-3 + 1, normal[1500:] * 1e-3 - 0.3]),
        "outlier": torch.cat([normal * 1e-3, torch.tensor([5.0])]),
        "zeros": torch.zeros(100),
        "denormal": normal * 2.0**-135,
    }


@pytest.mark.parametrize("kind", list(kinds_of_rows()))
@pytest.mark.parametrize("values", [*SETS, tuple(range(-128, 128))])
@pytest.mark.parametrize("max_events", [1 << 18, 100])
def test_the_search_by_bounds_finds_what_going_through_all_events_finds(kind, values, max_events, monkeypatch):
    monkeypatch.setattr("qcompile.frontend.codebooks.scale_bounds._MAX_EVENTS", max_events)
    row = kinds_of_rows()[kind].sort().values
    entries = np.array(values, np.float64)
    wide = row.double().numpy()[None]
    _, gains = search_all_events(wide, np.ones_like(wide), entries)
    scale, gain = search_by_bounds(row, None, entries)
    # Both are sums of some 1000 float64 terms that were rounded to 2**-53, of which 2**-40 is a generous bound.
    assert gain == pytest.approx(float(gains[0]), rel=2.0**-40, abs=1e-300)
    nearest = scale * entries[np.abs(wide[0][:, None] - scale * entries).argmin(axis=1)]
    lowered = (wide[0] ** 2).sum() - ((wide[0] - nearest) ** 2).sum()
    assert lowered >= gain - 2.0**-40 * (wide[0] ** 2).sum()


def test_masses_count_as_so_many_equal_weights():
    generator = torch.Generator().manual_seed(1)
    row = torch.randn(1, 60, generator=generator).sort(dim=1).values
    masses = torch.randint(1, 5, (1, 60), generator=generator)
    repeated = row[0].repeat_interleave(masses[0])[None]
    for values in SETS:
        by_mass, by_weight = optimal_scales(row, values, masses), optimal_scales(repeated, values)
        assert torch.allclose(by_mass, by_weight, rtol=2.0**-40, atol=0)
    entries = np.array(SETS[4])
    bounded = search_by_bounds(row[0], masses[0].double().numpy(), entries)
    listed = search_all_events(row.double().numpy(), masses.double().numpy(), entries)
    assert bounded[0] == pytest.approx(float(listed[0][0]), rel=2.0**-40)


def test_many_weights_and_many_channels(brute):
    weight = torch.randn(300_000, generator=torch.Generator().manual_seed(2))
    values = tuple(range(-8, 8))
    whole = brute.squared_error(weight, Scaled(values).fit(weight))
    scales = np.linspace(0.1, 0.6, 400)
    ordered = weight.sort().values.double()
    entries = torch.tensor(values, dtype=torch.float64)
    for scale in scales:
        index = torch.bucketize(ordered, scale * (entries[1:] + entries[:-1]) / 2)
        assert whole <= float((ordered - scale * entries[index]).square().sum())
    rows = weight.reshape(100, 3000)
    fitted = Scaled(values, "channel").fit(rows)
    assert torch.equal(fitted.codebook[7], Scaled(values).fit(rows[7]).codebook[0])
