"""The reference itself, against its definition written out for one number after the other."""

import numpy as np
import pytest

from qcompile.dynamic_ops import integer_matmul_dynamic, quantize_rows
from tests.dynamic import random_rows, special_rows

F = np.float32


def by_definition(row, bits):
    """docs/packed-format.md, section 6, for one row: numbers and step."""
    most = F(2**bits - 1)
    with np.errstate(all="ignore"):
        low, high = min([F(0), *row]), max([F(0), *row])
        step = F(high - low) / most
    if not np.isfinite(row).all() or not np.isfinite(step):
        return [0] * len(row), np.nan
    if step == 0:
        return [0] * len(row), 0
    zero_point = min(max(np.rint(-low / step), F(0)), most)
    codes = [min(max(np.rint(value / step) + zero_point, F(0)), most) for value in row]
    return [int(code - zero_point) for code in codes], step


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("k", [1, 2, 5, 40])
def test_each_row_is_rounded_as_defined(bits, k):
    random = np.random.default_rng([bits, k])
    x = random_rows(random, 60, k)
    found = quantize_rows(x, bits)
    assert found.steps.dtype == np.float32
    assert found.steps.shape == (60, 1)
    for row, numbers, step in zip(x, found.numbers.tolist(), found.steps, strict=True):
        wanted, wanted_step = by_definition(row, bits)
        assert numbers == wanted
        np.testing.assert_array_equal(step, np.array([wanted_step], np.float32))


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_rows_come_back_but_for_a_step(bits):
    random = np.random.default_rng(bits)
    x = random_rows(random, 200, 30)[40:]
    numbers, steps = quantize_rows(x, bits)
    error = np.abs(numbers * steps.astype(np.float64) - x)
    # The largest number may be cut by one where both ends are rounded outwards.
    assert (error <= 1.501 * steps).all()
    assert (np.median(error / steps) < 0.3).all()


def test_zero_is_always_exact():
    x = np.array([[0, 1.3, -0.7, 0], [0, 2.5, 9, 1]], np.float32)
    assert (quantize_rows(x, 3).numbers[:, 0] == 0).all()


def test_a_row_is_the_same_alone():
    random = np.random.default_rng(0)
    x = random_rows(random, 3, 10, 17)
    whole = quantize_rows(x, 8)
    for i in range(3):
        for j in range(10):
            alone = quantize_rows(x[i, j], 8)
            np.testing.assert_array_equal(alone.numbers, whole.numbers[i, j])
            np.testing.assert_array_equal(alone.steps, whole.steps[i, j])


def test_zeros_give_the_bias_and_what_is_not_finite_gives_nan():
    random = np.random.default_rng(0)
    weight = random.integers(-128, 128, (4, 6)).astype(np.int8)
    scale, bias = random.standard_normal((2, 4)).astype(np.float32)
    x = np.array(special_rows(random, 6))
    found = integer_matmul_dynamic(x, weight, scale, bias, 8)
    finite = np.isfinite(quantize_rows(x, 8).steps[:, 0])
    assert np.isnan(found[~finite]).all()
    assert not np.isnan(found[finite]).any()  # some are infinite
    np.testing.assert_array_equal(found[0], bias)
    assert (~finite).sum() == 7  # six, and one whose range is not finite
    assert finite.any()


def test_every_float_operation_is_rounded_by_itself():
    x = np.array([[0.1, -0.3, 0.7]], np.float32)
    weight = np.array([[3, -5, 7]], np.int8)
    scale, bias = np.array([1 / 3], np.float32), np.array([0.1], np.float32)
    step = F(F(0.7) - F(-0.3)) / F(255)
    zero_point = np.rint(F(0.3) / step)
    codes = [np.rint(F(v) / step) + zero_point for v in (0.1, -0.3, 0.7)]
    total = sum(int(code - zero_point) * w for code, w in zip(codes, (3, -5, 7), strict=True))
    assert integer_matmul_dynamic(x, weight, scale, bias, 8)[0, 0] == F(F(total) * F(step * scale[0])) + bias[0]
    assert integer_matmul_dynamic(x, weight, scale, bias, 8).dtype == np.float32
