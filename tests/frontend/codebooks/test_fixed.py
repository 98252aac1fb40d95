import math

import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Binary, Fixed, PowersOfTwo, Ternary


def power_of_two_nearest(weight, smallest_exponent):
    """The closed form of 1707.04319, section 4.1."""
    if weight == 0:
        return 0.0
    exponent = -math.log2(abs(weight))
    if exponent > smallest_exponent + 1:
        return 0.0
    if exponent <= 0:
        return math.copysign(1.0, weight)
    if exponent > smallest_exponent:
        return math.copysign(2.0**-smallest_exponent, weight)
    return math.copysign(2.0 ** -math.floor(exponent + math.log2(1.5)), weight)


@pytest.mark.parametrize("smallest_exponent", [0, 1, 3, 7])
def test_powers_of_two_are_the_closed_form(smallest_exponent):
    weight = torch.randn(4000, generator=torch.Generator().manual_seed(smallest_exponent)) * 0.7
    weight[0] = 0
    wanted = [power_of_two_nearest(float(value), smallest_exponent) for value in weight]
    fitted = PowersOfTwo(smallest_exponent).fit(weight)
    assert fitted.decode().tolist() == wanted
    assert fitted.codebook.shape == (1, 2 * smallest_exponent + 3)


def test_binary_is_the_sign_and_ternary_rounds():
    weight = torch.tensor([-3.0, -0.51, -0.5, -0.1, 0.0, 0.1, 0.5, 0.51, 3.0])
    assert Binary().fit(weight).decode().tolist() == [-1, -1, -1, -1, -1, 1, 1, 1, 1]  # ties go to the lower entry
    assert Ternary().fit(weight).decode().tolist() == [-1, -1, -1, 0, 0, 0, 0, 1, 1]


def test_fixed_values_are_kept_whatever_the_weights():
    values = (-1.5, -0.25, 0.5)
    for scale in (0.0, 1e-30, 1.0, 1e6):
        weight = scale * torch.randn(50, generator=torch.Generator().manual_seed(0))
        fitted = Fixed(values).fit(weight)
        assert fitted.codebook.tolist() == [list(values)]
        least = (weight[:, None].double() - torch.tensor(values).double()).abs().argmin(dim=1)
        assert torch.equal(fitted.indices.long(), least)


@pytest.mark.parametrize("values", [(), tuple(range(257))])
def test_no_value_and_too_many_are_refused(values):
    with pytest.raises(RecipeError, match="entries, wanted 1 to 256"):
        Fixed(values)


@pytest.mark.parametrize("values", [(1.0, 1.0), (2.0, 1.0), (1.0, 1.0 + 1e-12), (0.0, float("nan")), (0.0, 1e39)])
def test_values_that_do_not_rise_as_float32_are_refused(values):
    with pytest.raises(RecipeError, match="wanted finite numbers that rise"):
        Fixed(values)


def test_exponents_out_of_range_are_refused():
    for exponent in (-1, 127):
        with pytest.raises(RecipeError, match=f"smallest_exponent is {exponent}, wanted 0 to 126"):
            PowersOfTwo(exponent)
    assert PowersOfTwo(126).bits == 8
