import itertools

import numpy as np
import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Adaptive, IntegerAdaptive, IntegerScaled, Scaled, UniformGrid
from qcompile.frontend.codebooks.optimal_integers import SortedRows, optimal_integers

GRIDS = [(-1.0, 1.0), (-1.0, 0.0, 1.0), (-2.0, -1.0, 0.0, 1.0), (-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0)]


@pytest.mark.parametrize("values", GRIDS[:3])
def test_a_scaled_grid_has_the_least_error_of_all_assignments(values, brute):
    for weight in brute.awkward_weights(5):
        fitted = IntegerScaled(values).fit(weight)
        if 0 < float(weight.abs().max()) < 2.0**-120:
            continue  # a denormal scale has too few bits
        least = brute.least_error(weight, len(values), torch.tensor(values)[:, None])
        assert brute.squared_error(weight, fitted) <= least + brute.slack(weight, fitted)


@pytest.mark.parametrize("codebook", [*map(IntegerScaled, GRIDS), UniformGrid(2), UniformGrid(8), IntegerAdaptive(7)])
@pytest.mark.parametrize("scale_per", ["tensor", "channel"])
def test_the_weight_is_the_float32_product_of_an_integer_and_a_scale(codebook, scale_per):
    weight = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(0))
    fitted = type(codebook)(*[getattr(codebook, name) for name in list(vars(codebook))[:1]], scale_per).fit(weight)
    assert torch.equal(fitted.codebook, fitted.codebook.round())
    assert fitted.scale.shape == ((6,) if scale_per == "channel" else (1,))
    integers = fitted.codebook[0][fitted.indices.long()]
    assert torch.equal(fitted.decode(), integers * fitted.scale[:, None, None])


def test_a_scale_per_channel_is_each_channel_fitted_alone():
    weight = torch.randn(6, 20, generator=torch.Generator().manual_seed(1))
    fitted = IntegerScaled(GRIDS[2], "channel").fit(weight)
    for channel in range(6):
        alone = IntegerScaled(GRIDS[2]).fit(weight[channel : channel + 1])
        assert torch.equal(fitted.scale[channel : channel + 1], alone.scale)
        assert torch.equal(fitted.indices[channel], alone.indices[0])
    assert fitted.scale.min() < 0 < fitted.scale.max()  # upside down where that is better


@pytest.mark.parametrize("bits", range(2, 9))
def test_a_uniform_grid_is_an_index_less_half(bits, brute):
    weight = torch.randn(400, generator=torch.Generator().manual_seed(bits))
    fitted = UniformGrid(bits).fit(weight)
    assert fitted.codebook.tolist() == [[float(index - 2 ** (bits - 1)) for index in range(2**bits)]]
    assert fitted.bits == UniformGrid(bits).bits == bits
    free = Scaled(UniformGrid(bits).values).fit(weight)
    allowed = brute.slack(weight, fitted) + brute.slack(weight, free)
    assert abs(brute.squared_error(weight, fitted) - brute.squared_error(weight, free)) <= allowed


def least_error_of_any_integers(rows, scales, entries, grid):
    """Over all choices of ``entries`` of ``grid``."""
    best = float("inf")
    for chosen in itertools.combinations(grid, entries):
        products = scales[:, None] * torch.tensor(chosen, dtype=torch.float64)
        error = (rows.double()[:, :, None] - products[:, None, :]).square().amin(dim=2).sum()
        best = min(best, float(error))
    return best


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_the_integers_are_the_best_of_all_choices_for_the_scales(entries):
    generator = torch.Generator().manual_seed(entries)
    for _ in range(6):
        rows = (4 * torch.randn(3, 6, generator=generator)).sort(dim=1).values
        scales = torch.rand(3, generator=generator, dtype=torch.float64) + 0.5
        codebook, error = optimal_integers(SortedRows.of(rows), scales, entries)
        assert (codebook.diff() > 0).all()
        least = least_error_of_any_integers(rows, scales, entries, range(-20, 21))  # 4 sigma over a scale of 0.5: 32
        whole = float(rows.double().square().sum())
        assert error + whole <= least + 2.0**-40 * whole
        products = scales[:, None] * codebook
        own = float((rows.double()[:, :, None] - products[:, None, :]).square().amin(dim=2).sum())
        assert own == pytest.approx(error + whole, abs=2.0**-40 * whole)


def test_a_learned_grid_is_near_the_codebook_that_it_rounds(brute):
    """With 2 or 3 entries almost any ratio of entries is a ratio of integers up to 127."""
    for seed, entries in itertools.product(range(4), (1, 2, 3, 4, 8, 16)):
        weight = torch.randn(500, generator=torch.Generator().manual_seed(seed)) + 0.2
        free = brute.squared_error(weight, Adaptive(entries).fit(weight))
        fitted = IntegerAdaptive(entries).fit(weight)
        assert fitted.codebook.abs().max() <= 127
        # Entries may be off by half a step of max / 127 and the error is then greater by its square, for each weight.
        step = float(weight.abs().max()) / 127
        assert free - brute.slack(weight, fitted) <= brute.squared_error(weight, fitted) <= free + 500 * step**2 / 4


def test_the_learned_grid_is_the_best_of_all_small_ones(brute):
    generator = torch.Generator().manual_seed(3)
    for _ in range(10):
        weight = torch.randn(5, generator=generator)
        best = min(
            brute.least_error(weight, 2, torch.tensor(pair)[:, None].double())
            for pair in itertools.combinations(range(-12, 13), 2)
        )
        fitted = IntegerAdaptive(2).fit(weight)
        assert brute.squared_error(weight, fitted) <= best + brute.slack(weight, fitted)


def test_channels_of_different_size_share_a_learned_grid():
    steps = torch.randint(0, 4, (6, 50), generator=torch.Generator().manual_seed(4))
    integers = torch.tensor([-50.0, -3.0, 7.0, 90.0])[steps]
    scales = torch.tensor([1e-3, 1.0, 30.0, 0.02, 0.0, 5.0])
    weight = integers * scales[:, None]
    fitted = IntegerAdaptive(4, "channel").fit(weight)
    assert torch.allclose(fitted.decode(), weight, rtol=2.0**-22, atol=0)
    assert float(fitted.scale[4]) == 0


def test_a_learned_grid_serves_its_channels_better_with_a_scale_for_each(brute):
    spread = torch.logspace(-2, 0, 8)[:, None]
    weight = spread * torch.randn(8, 60, generator=torch.Generator().manual_seed(5))
    one, each = IntegerAdaptive(4).fit(weight), IntegerAdaptive(4, "channel").fit(weight)
    assert brute.squared_error(weight, each) < brute.squared_error(weight, one)


def test_options_out_of_range_are_refused():
    with pytest.raises(RecipeError, match="256 entries, wanted 1 to 255"):
        IntegerAdaptive(256)
    for bits in (1, 9):
        with pytest.raises(RecipeError, match=f'has {bits} bits, wanted 2 to 8; for 1 bit take "integer-scaled"'):
            UniformGrid(bits)
    for values in ((-129.0, 0.0), (0.0, 128.0), (0.0, 0.5)):
        with pytest.raises(RecipeError, match="wanted integers from -128 to 127"):
            IntegerScaled(values)
    with pytest.raises(RecipeError, match="a scale is per 2"):
        IntegerScaled((0.0, 1.0), 2)
    assert np.all(np.diff(UniformGrid(8).values) == 1)
