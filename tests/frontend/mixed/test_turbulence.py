import math

import pytest
import torch

from qcompile.frontend.mixed.turbulence import boundary_share, changed_share, smallest_codes, turbulence


def naive_share(weight, step, bits):
    """Bin by bin: the outer quarter of a bin is 1/8 of a step wide at each side, but not beyond the last codes."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    near = 0
    for number, size in zip(weight.flatten().tolist(), step.expand_as(weight).flatten().tolist(), strict=True):
        place = number / size
        for code in range(low, high):  # the boundary between this code and the next
            boundary = code + 0.5
            near += boundary - 0.125 < place < boundary + 0.125
    return near / weight.numel()


def naive_turbulence(layer, widths):
    return sum(naive_share(layer.weight, layer.weight_step(b), b) / b for b in widths) / len(widths)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_the_share_is_that_of_a_naive_loop(bits, spread):
    generator = torch.Generator().manual_seed(bits)
    # Whole hundredths of a step that is a power of two: no place falls on the edge of a zone, where rounding decides.
    weight = (torch.randn(6, 5, 3, generator=generator, dtype=torch.float64) * spread * 100).round() / 100 * 0.25
    step = torch.tensor(0.25, dtype=torch.float64)
    assert boundary_share(weight, step, bits) == naive_share(weight, step, bits)


def test_steps_of_channels_each_count_for_their_own_channel():
    step = torch.tensor([[1.0], [0.5]])
    weight = torch.tensor([[0.45, 0.2], [0.2, 0.1]])  # 0.45, 0.2 and 0.4, 0.2 of a step
    assert boundary_share(weight, step, 4) == 0.5


def test_weights_beyond_the_last_codes_are_at_no_boundary():
    weight = torch.tensor([-9.0, -2.45, -1.55, 0.95, 1.45, 9.0])
    assert boundary_share(weight, torch.tensor(1.0), 2) == 1 / 6, "only -1.55, which might become -1"


def test_turbulence_is_the_mean_of_shares_divided_by_bits(make_supernet):
    layer = make_supernet().layers["4"]
    for widths in ((2, 4, 8), (4, 8), (2,)):
        # The double loop and float32 may disagree on a weight within a rounding of a zone's edge: none is here.
        assert turbulence(layer, widths) == pytest.approx(naive_turbulence(layer, widths), rel=1e-12)


def test_uniform_weights_have_the_share_of_the_zones():
    weight = torch.linspace(-0.499, 0.499, 10_001)  # one bin whose both ends are boundaries
    assert math.isclose(boundary_share(weight, torch.tensor(1.0), 3), 0.25, abs_tol=0.003)  # the range lacks 0.002


def test_flips_count_codes_at_the_smallest_width(make_supernet):
    layer = make_supernet().layers["4"]
    before = smallest_codes(layer)
    assert before.dtype == torch.int8
    assert torch.equal(before.float(), layer.weight_codes(2))
    with torch.no_grad():
        layer.weight[0] -= 10 * layer.weight_step(2)  # to the lowest code
    wanted = (before[0] != -2).sum().item() / before.numel()
    assert changed_share(before, smallest_codes(layer)) == wanted > 0
    assert changed_share(before, before) == 0
