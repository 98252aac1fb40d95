import numpy as np
import pytest
import torch

from qcompile.frontend.codebooks import Scaled, ScaledBinary, ScaledTernary
from qcompile.frontend.codebooks.optimal_scale import optimal_scales

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


def greatest_gain(row, values):
    """By how much the best scale that is not negative lowers the squared error of zeros: all events, in order.

    From the greatest scale down, so that A and B are sums of terms of one sign (see optimal_scale.py).
    """
    entries = np.array(values, np.float64)
    middles, gaps = (entries[1:] + entries[:-1]) / 2, np.diff(entries)
    below, above = (middles < 0).sum(), (middles <= 0).sum()
    nearest = np.where(row > 0, entries[above], entries[below])
    tall = row[:, None]
    happens = tall * middles > 0
    scales = np.divide(tall, middles, out=np.zeros(happens.shape), where=happens).ravel()
    falling = np.argsort(-scales)
    more_products = np.where(happens, np.abs(tall) * gaps, 0).ravel()[falling]
    more_squares = np.where(happens, 2 * np.abs(middles) * gaps, 0).ravel()[falling]
    products = (nearest * row).sum() + np.pad(more_products.cumsum(), (1, 0))
    squares = (nearest**2).sum() + np.pad(more_squares.cumsum(), (1, 0))
    possible = (products > 0) & (squares > 0)
    return max([0.0, *(products[possible] ** 2 / squares[possible])])


def gain_of(row, values, scale):
    products = scale * np.array(values, np.float64)
    nearest = products[np.abs(row[:, None] - products).argmin(axis=1)]
    return (row**2 - (row - nearest) ** 2).sum()


@pytest.mark.parametrize("kind", list(kinds_of_rows()))
@pytest.mark.parametrize("values", [*SETS, tuple(range(-128, 128))])
def test_the_search_by_bounds_finds_what_going_through_all_events_finds(kind, values):
    row = kinds_of_rows()[kind].sort().values
    wide = row.double().numpy()
    scale = float(optimal_scales(row[None], values)[0])
    wanted = max(greatest_gain(wide, values), greatest_gain(wide, [-value for value in values][::-1]))
    # The search promises 2**-40 of the gain; 3000 float64 terms of either sum, each within 2**-53, stay far below it.
    assert gain_of(wide, values, scale) >= wanted - 2.0**-39 * (wide**2).sum()


def test_masses_count_as_so_many_equal_weights():
    generator = torch.Generator().manual_seed(1)
    row = torch.randn(2, 60, generator=generator).sort(dim=1).values
    masses = torch.randint(0, 5, (2, 60), generator=generator)
    for values in SETS:
        found = optimal_scales(row, values, masses)
        for place in range(2):
            repeated = row[place].repeat_interleave(masses[place])
            alone = float(optimal_scales(repeated[None], values)[0])
            wide = repeated.double().numpy()
            by_mass, by_weight = (gain_of(wide, values, float(scale)) for scale in (found[place], alone))
            assert by_mass == pytest.approx(by_weight, abs=2.0**-39 * (wide**2).sum())


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
