import itertools

import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight, Corrections
from qcompile.frontend.codebooks import Adaptive, Fixed, ScaledBinary, ScaledTernary
from qcompile.frontend.corrections import Corrected, largest, squared_error

FREE = [Adaptive(2), Adaptive(4), ScaledBinary(), ScaledTernary(), Adaptive(2, "channel"), ScaledBinary("channel")]


def heavy_tailed(*shape, seed=0):
    """Mostly small weights and a few large ones: what corrections are for."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator)
    return weight * torch.where(torch.rand(shape, generator=generator) < 0.05, 8.0, 1.0)


@pytest.mark.parametrize("count", range(9))
def test_a_fixed_codebook_reaches_the_least_error_of_all_subsets(count):
    codebook = Fixed((-1.0, 0.25, 1.0))
    for seed in range(5):
        weight = heavy_tailed(8, seed=seed).double()
        left = (weight - codebook.fit(weight).decode()).square()
        least = min(
            float(left[[i for i in range(8) if i not in corrected]].sum())
            for corrected in itertools.combinations(range(8), count)
        )
        fitted = Corrected(codebook, count / 8).fit(weight)
        # A correction is rounded to float32, and so is its sum with the entry: each is below 2^5.
        assert abs(squared_error(weight, fitted) - least) <= 8 * (2 * 2**5 * 2**-24) ** 2


@pytest.mark.parametrize("codebook", FREE)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_error_never_grows_from_round_to_round_and_is_below_the_codebooks_own(codebook, share):
    weight = heavy_tailed(12, 30, seed=1)
    corrected = Corrected(codebook, share)
    errors = [squared_error(weight, codebook.fit(weight))]
    fitted = None
    for _ in range(4):  # as the learning loop does: each fit starts from the one before
        fitted = corrected.fit(weight, fitted)
        errors.append(squared_error(weight, fitted))
    # Codebooks and decoded weights are float32: a round at the optimum may lose that rounding again.
    rounding = weight.numel() * (16 * 2**-23) ** 2
    assert all(after <= before + rounding for before, after in itertools.pairwise(errors))
    assert errors[1] < errors[0]


@pytest.mark.parametrize("codebook", FREE)
def test_no_better_single_step_is_left_of_the_corrections(codebook):
    """The corrections are the largest differences to the codebook that came out."""
    weight = heavy_tailed(10, 20, seed=2)
    fitted = Corrected(codebook, 0.05).fit(weight)
    assert fitted.corrections is not None
    assert len(fitted.corrections.positions) == 10
    left = (weight - fitted.decode()).flatten().abs()
    others = torch.ones(200, dtype=torch.bool)
    others[fitted.corrections.positions] = False
    assert float(left[others].max()) <= float(fitted.corrections.values.abs().min())


@pytest.mark.parametrize("codebook", [*FREE, Fixed((-1.0, 1.0))])
def test_no_corrections_is_the_codebook_alone(codebook):
    weight = heavy_tailed(6, 8, seed=3)
    for share in (0.0, 0.01):  # 0.48 of a weight is none
        fitted, alone = Corrected(codebook, share).fit(weight), codebook.fit(weight)
        assert fitted.corrections is None
        assert torch.equal(fitted.codebook, alone.codebook)
        assert torch.equal(fitted.indices, alone.indices)


@pytest.mark.parametrize("codebook", [*FREE, Fixed((-1.0, 1.0))])
def test_correcting_every_weight_gives_the_weight_back(codebook):
    weight = heavy_tailed(6, 8, seed=4)
    fitted = Corrected(codebook, 1.0).fit(weight)
    # q + (w - q): the difference and the sum are rounded to float32 once each.
    reach = 2 * (weight.abs() + fitted.codebook.abs().max())
    assert ((fitted.decode() - weight).abs() <= 2**-24 * reach).all()


def test_the_weight_itself_is_left_as_it_was():
    weight = heavy_tailed(6, 8, seed=5).double()
    before = weight.clone()
    corrected = Corrected(ScaledBinary(), 0.2)
    corrected.fit(weight, corrected.fit(weight))
    assert torch.equal(weight, before)


def test_weights_that_an_entry_meets_get_no_correction():
    weight = torch.tensor([[1.0, -1.0, 3.0], [1.0, -1.0, -1.0]])
    fitted = Corrected(Fixed((-1.0, 1.0)), 0.5).fit(weight)
    assert fitted.corrections is not None
    assert fitted.corrections.positions.tolist() == [2]
    assert fitted.corrections.values.tolist() == [2.0]
    assert Corrected(Fixed((-1.0, 1.0)), 0.5).fit(weight.sign()).corrections is None


def test_the_first_of_equals_is_corrected():
    corrections = largest(torch.tensor([[0.5, -2.0], [2.0, 2.0]]), 2)
    assert corrections is not None
    assert corrections.positions.tolist() == [1, 2]


def test_serves_what_the_codebook_serves():
    assert Corrected(Adaptive(2, "channel"), 0.1).per == "channel"
    assert Corrected(Adaptive(2), 0.1).per == "tensor"


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_an_error(share):
    with pytest.raises(RecipeError, match="wanted 0 to 1"):
        Corrected(Adaptive(2), share)


def smallest_distances(weight, previous):
    """The smallest distance of each weight to any entry, scaled and corrected."""
    scale = torch.ones(len(weight)) if previous.scale is None else previous.scale.expand(len(weight))
    fixed = torch.zeros(weight.numel())
    if previous.corrections is not None:
        fixed[previous.corrections.positions] = previous.corrections.values
    rows = previous.codebook.repeat_interleave(len(weight) // len(previous.codebook), 0)
    values = (rows * scale[:, None])[:, None, :] + fixed.reshape(len(weight), -1, 1)
    return (weight.reshape(len(weight), -1, 1) - values).abs().amin(dim=2)


@pytest.mark.parametrize("kind", ["tensor", "channel", "scale", "one scale", "corrections", "one entry"])
def test_encoding_finds_the_nearest_entry_beside_scale_and_corrections(kind):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 2, generator=generator)
    indices = torch.zeros(4, 3, 2, dtype=torch.uint8)
    groups, entries = (4 if kind == "channel" else 1), (1 if kind == "one entry" else 5)
    codebook = torch.randn(groups, entries, generator=generator).sort(dim=1).values
    scale = {"scale": torch.tensor([0.5, -2.0, 3.0, 0.1]), "one scale": torch.tensor([0.7])}.get(kind)
    corrections = Corrections(torch.tensor([2, 9]), torch.tensor([3.0, -2.0])) if kind == "corrections" else None
    found = Corrected(Adaptive(5), 0.5).encode(weight, CodebookWeight(codebook, indices, scale, corrections))
    distances = (weight - found.decode()).abs().reshape(4, -1)
    # Both round a product, a sum and a difference of values below 10.
    assert (distances - smallest_distances(weight, found)).abs().max() <= 6 * 10 * 2**-24
