"""What holds for every kind of codebook."""

import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import (
    Adaptive,
    Binary,
    Fixed,
    IntegerAdaptive,
    IntegerScaled,
    JointCodebook,
    LearnedWidths,
    PowersOfTwo,
    Scaled,
    ScaledBinary,
    ScaledShifted,
    ScaledTernary,
    Shared,
    Ternary,
    UniformGrid,
)

CROOKED = (-2.0, -1.0, 0.0, 1.0)
KINDS = [
    Adaptive(1),
    Adaptive(2),
    Adaptive(5),
    Adaptive(3, method="exact"),
    Adaptive(5, method="kmeans"),
    Fixed((-1.5, -0.25, 0.5)),
    Binary(),
    Ternary(),
    PowersOfTwo(3),
    ScaledBinary(),
    ScaledTernary(),
    Scaled(CROOKED),
    Scaled((0.5, 1.0, 3.0)),
    ScaledShifted(CROOKED),
    ScaledShifted((0.0, 1.0)),
    IntegerAdaptive(3),
    IntegerAdaptive(1),
    IntegerScaled((-1.0, 1.0)),
    IntegerScaled(CROOKED),
    UniformGrid(3),
    Shared(Adaptive(3)),
    LearnedWidths(10_000_000, (1, 2)),
]
PER = [
    lambda per: Adaptive(3, per),
    lambda per: Adaptive(3, per, "kmeans"),
    ScaledBinary,
    ScaledTernary,
    lambda per: Scaled(CROOKED, per),
    lambda per: ScaledShifted(CROOKED, per),
]
SCALE_PER_CHANNEL = [IntegerAdaptive(3, "channel"), IntegerScaled(CROOKED, "channel"), UniformGrid(4, "channel")]
ALL = [*KINDS, *SCALE_PER_CHANNEL, *(make("channel") for make in PER), *(make(2) for make in PER)]
WARM = [kind for kind in ALL if isinstance(kind, Adaptive | ScaledShifted | IntegerAdaptive | Shared)]


def codebook_rows(fitted, channels):
    """What the weights of each channel may become: float64 [channels, entries]."""
    if fitted.scale is not None:
        return (fitted.codebook * fitted.scale[:, None]).double().expand(channels, -1)
    return fitted.codebook.double().repeat_interleave(channels // len(fitted.codebook), dim=0)


@pytest.mark.parametrize("codebook", ALL)
def test_no_other_entry_is_nearer(codebook):
    for seed in range(5):
        weight = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(seed))
        fitted = codebook.fit(weight)
        entries = codebook_rows(fitted, 6)
        rows = weight.double().reshape(6, -1)
        least = (rows[:, :, None] - entries[:, None, :]).abs().amin(dim=2)
        assert torch.equal((rows - fitted.decode().double().reshape(6, -1)).abs(), least)


@pytest.mark.parametrize("codebook", ALL)
def test_encoding_keeps_the_codebook_and_gives_the_same_indices_again(codebook):
    weight = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(1))
    fitted = codebook.fit(weight)
    for again in (codebook.encode(weight, fitted), codebook.encode(codebook.decode(fitted), fitted)):
        assert torch.equal(again.codebook, fitted.codebook)
        assert torch.equal(again.indices, fitted.indices)
        assert torch.equal(codebook.decode(again), fitted.decode())
    other = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(2))
    assert torch.equal(codebook.encode(other, fitted).codebook, fitted.codebook)


@pytest.mark.parametrize("codebook", ALL)
def test_the_fit_is_never_worse_than_the_codebook_of_an_earlier_one(codebook, brute):
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(4, 30, generator=generator)
        before = codebook.fit(weight)
        moved = weight + 0.3 * torch.randn(4, 30, generator=generator) + (seed > 5)
        after, kept = codebook.fit(moved, before), codebook.encode(moved, before)
        assert brute.squared_error(moved, after) <= brute.squared_error(moved, kept) + brute.slack(moved, after)


@pytest.mark.parametrize("codebook", WARM)
def test_an_earlier_fit_to_anything_is_a_start(codebook, brute):
    weight = torch.randn(4, 30, generator=torch.Generator().manual_seed(4))
    for other in (torch.zeros(4, 30), torch.full((4, 30), 5.0), weight * 1e-30, weight * 1e30):
        before = codebook.fit(other)
        after, kept = codebook.fit(weight, before), codebook.encode(weight, before)
        assert brute.squared_error(weight, after) <= brute.squared_error(weight, kept) + brute.slack(weight, after)


@pytest.mark.parametrize("codebook", ALL)
def test_fitting_twice_gives_the_same(codebook):
    weight = torch.randn(4, 50, generator=torch.Generator().manual_seed(8))
    first, second = codebook.fit(weight), codebook.fit(weight)
    assert torch.equal(first.codebook, second.codebook)
    assert torch.equal(first.indices, second.indices)
    assert first.scale is second.scale is None or torch.equal(first.scale, second.scale)


@pytest.mark.parametrize("codebook", ALL)
def test_awkward_weights_give_finite_codebooks_without_negative_zeros(codebook, brute):
    for weight in brute.awkward_weights():
        if isinstance(getattr(codebook, "per", None), int) and len(weight) % 2:
            weight = weight.repeat(2)
        decoded = codebook.fit(weight).decode()
        assert torch.isfinite(decoded).all()
        if not isinstance(codebook, IntegerScaled | UniformGrid | IntegerAdaptive) or not weight.any():
            assert not torch.signbit(decoded[decoded == 0]).any()


@pytest.mark.parametrize("codebook", [kind for kind in ALL if not hasattr(kind, "smallest_exponent")])
def test_zeros_and_a_single_weight_are_met(codebook):
    if isinstance(codebook, Fixed | Binary | Ternary):
        return
    assert torch.equal(codebook.fit(torch.zeros(2, 4)).decode(), torch.zeros(2, 4))
    if not isinstance(codebook.per, int):
        for weight in (torch.tensor([[0.7]]), torch.tensor([[-0.7]])):
            # Two roundings to 24 bits: of a scale, and of its product with an integer.
            assert torch.allclose(codebook.fit(weight).decode(), weight, rtol=2.0**-23, atol=0)


@pytest.mark.parametrize("codebook", ALL)
def test_half_precision_is_fitted_as_the_float32_that_it_is(codebook):
    weight = torch.randn(4, 20, generator=torch.Generator().manual_seed(3)).bfloat16()
    assert torch.equal(codebook.fit(weight).decode(), codebook.fit(weight.float()).decode())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), 1e39])
@pytest.mark.parametrize("codebook", ALL)
def test_weights_that_are_not_finite_are_refused(codebook, bad):
    fitted = codebook.fit(torch.ones(2, 2))
    weight = torch.tensor([[1.0, bad], [bad, bad]], dtype=torch.float64)
    for refused in (lambda: codebook.fit(weight), lambda: codebook.encode(weight, fitted)):
        with pytest.raises(ValueError, match="not finite"):
            refused()
    with pytest.raises(ValueError, match="empty"):
        codebook.fit(torch.zeros(0))


@pytest.mark.parametrize("make", PER)
@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_a_group_of_channels_is_fitted_as_if_it_were_a_tensor(make, size, brute):
    weight = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(2))
    fitted = make(size).fit(weight)
    assert len(fitted.codebook) == 6 // size
    for group, piece in enumerate(weight.split(size)):
        alone = make("tensor").fit(piece)
        same = brute.squared_error(piece, alone)
        got = float((piece.double() - fitted.decode().split(size)[group].double()).square().sum())
        assert got == pytest.approx(same, rel=0.1 if "kmeans" in str(make(1)) else 1e-9)  # k-means++ draws otherwise


@pytest.mark.parametrize("make", PER)
def test_a_size_of_group_that_does_not_divide_the_channels_is_refused(make):
    with pytest.raises(RecipeError, match=r"serves 4 output channels but a weight \[6, 2\] has 6; wanted a divisor"):
        make(4).fit(torch.ones(6, 2))
    for per in (0, -1, True, "row", 1.0):
        with pytest.raises(RecipeError, match="a codebook is per"):
            make(per)


def test_a_weight_of_other_channels_cannot_be_encoded():
    fitted = Adaptive(2, "channel").fit(torch.ones(6, 2))
    with pytest.raises(ValueError, match=r"\[3, 2\] does not fall into 6 groups"):
        Adaptive(2, "channel").encode(torch.ones(3, 2), fitted)


@pytest.mark.parametrize("codebook", ALL)
def test_bits_hold_every_index(codebook):
    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(9))
    assert codebook.fit(weight).bits == codebook.bits


def test_only_a_joint_codebook_is_one():
    assert [kind for kind in ALL if isinstance(kind, JointCodebook)] == KINDS[-2:]
