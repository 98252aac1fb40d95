import pytest
import torch

from qcompile.frontend.mixed.quantizer import round_to_codes, signed_codes, unsigned_codes
from qcompile.frontend.mixed.step_search import MOST_VALUES, least_squares_step


def squared_error(values, step, codes):
    return (round_to_codes(values, step, codes) * step - values).square().sum().item()


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("rectified", [False, True])
def test_no_step_of_a_fine_grid_has_a_much_smaller_error(bits, rectified):
    values, codes = (normal(4000).relu(), unsigned_codes(bits)) if rectified else (normal(4000), signed_codes(bits))
    found = squared_error(values, least_squares_step(values[None], codes)[0], codes)
    best = min(squared_error(values, step, codes) for step in torch.linspace(0.002, 3, 3000))
    # Two trials are 8 % apart, so the best step is missed by 4 % or less. The error of rounding goes with the square
    # of the step, 1.04^2 = 1.08; that of cutting goes the other way, so near the best step the sum changes by less.
    assert found <= 1.08 * best


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_error_is_below_that_of_the_published_start(bits):
    weight, codes = normal(5000), signed_codes(bits)
    published = max(abs(weight.mean() - 3 * weight.std()), abs(weight.mean() + 3 * weight.std())) / 2 ** (bits - 1)
    assert squared_error(weight, least_squares_step(weight[None], codes)[0], codes) < squared_error(
        weight, published, codes
    )


def test_each_row_gets_its_own_step():
    values = normal(3, 200) * torch.tensor([[0.01], [1.0], [50.0]])
    together = least_squares_step(values, signed_codes(4))
    assert together.tolist() == [least_squares_step(row[None], signed_codes(4)).item() for row in values]


def test_a_grid_is_found_again():
    values = torch.arange(-128.0, 128) * 0.37
    assert torch.isclose(least_squares_step(values[None], signed_codes(8)), torch.tensor(0.37), rtol=1e-6)


def test_zeros_get_a_step_with_which_one_is_the_highest_code():
    assert least_squares_step(torch.zeros(2, 5), unsigned_codes(2)).tolist() == [pytest.approx(1 / 3)] * 2


def test_of_a_large_tensor_a_sample_decides_but_its_largest_number_counts():
    values = normal(1, 3 * MOST_VALUES)
    found = least_squares_step(values, signed_codes(4)).item()
    of_a_part = least_squares_step(values[:, :MOST_VALUES], signed_codes(4)).item()
    assert abs(found / of_a_part - 1) < 0.25  # they start from other largest numbers
