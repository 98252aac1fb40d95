"""Normalized rows as codes: what the definition says, and how near it is to the float operators."""

import numpy as np
import pytest

from qcompile.row_ops import MAX_COLUMNS, quantize_layer_normalization, quantize_softmax

EPSILON = 1e-5
WIDE = {"y_min": 0, "y_max": 255}


def rows(*shape, seed=0):
    """Normal numbers; each row of a size of its own, and far from zero by a size of its own."""
    rng = np.random.default_rng(seed)
    sizes, places = 10 ** rng.uniform(-3, 3, (*shape[:-1], 1)), rng.uniform(-3, 3, (*shape[:-1], 1))
    return ((rng.standard_normal(shape) + places) * sizes).astype(np.float32)


def stretch(columns, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(-40, 40, columns).astype(np.float32), rng.uniform(90, 160, columns).astype(np.float32)


def normalized(x, scale, bias, epsilon=EPSILON):
    """By the textbook, in float64."""
    x = x.astype(np.float64)
    centered = x - x.mean(axis=-1, keepdims=True)
    return centered / np.sqrt(np.square(centered).mean(axis=-1, keepdims=True) + epsilon) * scale + bias


def softmax(x):
    powers = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("shape", [(50, 1), (50, 2), (4, 5, 7), (3, 384), (33,), (1, 4096)])
def test_codes_are_those_of_the_float_normalization(shape):
    x, (scale, bias) = rows(*shape), stretch(shape[-1])
    wanted = np.clip(normalized(x, scale, bias), 0, 255)
    found = quantize_layer_normalization(x, scale, bias, epsilon=EPSILON, **WIDE)
    assert found.dtype == np.uint8
    assert found.shape == x.shape
    # A unit is 2^-19 of the largest, which is at most the root of the columns, and what lies far away four, deviations:
    # half of one for the number, as much for roundings in float32.
    off = 2.0**-19 * (np.sqrt(shape[-1]) + 4) * np.abs(scale)
    assert (np.abs(found - wanted) <= 0.5 + off).all()


@pytest.mark.parametrize("shape", [(50, 1), (50, 2), (4, 5, 7), (3, 384), (33,), (1, 4096)])
def test_codes_are_those_of_the_float_softmax(shape):
    x = np.clip(rows(*shape), -60, 60)
    found = quantize_softmax(x, scale=255.0, bias=0.0, **WIDE)
    # Powers are right to 1.1e-4 of them, above and below the line of the quotient.
    assert (np.abs(found - 255 * softmax(x)) <= 0.5 + 255 * 2.3e-4).all()


def test_equal_numbers_are_the_bias_and_equal_parts():
    x = np.full((2, MAX_COLUMNS), -3.7, np.float32)
    scale, bias = np.full(MAX_COLUMNS, 50, np.float32), np.full(MAX_COLUMNS, 99, np.float32)
    assert (quantize_layer_normalization(x, scale, bias, epsilon=1e-12, **WIDE) == 99).all()
    assert (quantize_softmax(x, scale=40.0 * MAX_COLUMNS, bias=0.0, **WIDE) == 40).all()


@pytest.mark.parametrize("size", [0.0, 1e-45, 1e-38, 1e-20, 1e20, 3e38])
def test_rows_of_any_size(size):
    x, (scale, bias) = np.float32(np.linspace(-1, 1, 30) * size)[None], stretch(30)
    found = quantize_layer_normalization(x, scale, bias, epsilon=EPSILON, **WIDE)
    assert (np.abs(found - np.clip(normalized(x, scale, bias), 0, 255)) <= 0.501).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_the_lowest_code(odd):
    x, (scale, bias) = rows(3, 20), stretch(20)
    x[1, 7] = odd
    found = quantize_layer_normalization(x, scale, bias, epsilon=EPSILON, y_min=5, y_max=250)
    without = quantize_layer_normalization(x[[0, 2]], scale, bias, epsilon=EPSILON, y_min=5, y_max=250)
    assert (found[1] == 5).all()
    np.testing.assert_array_equal(found[[0, 2]], without)
    codes = quantize_softmax(x, scale=200.0, bias=20.0, y_min=5, y_max=250)
    if odd == -np.inf:  # masked
        assert codes[1, 7] == 20
        assert abs(int(codes[1].sum()) - 20 * 20 - 200) <= 10
    else:
        assert (codes[1] == 5).all()


def test_masked_numbers_have_no_part_and_a_row_of_them_is_the_lowest_code():
    x = np.float32([[0, -np.inf, 0, -np.inf], [-np.inf] * 4, [-3.4e38, 3.4e38, 0, 0]])
    found = quantize_softmax(x, scale=100.0, bias=3.0, y_min=1, y_max=200)
    np.testing.assert_array_equal(found, [[53, 3, 53, 3], [1] * 4, [3, 103, 3, 3]])


def test_no_numbers_are_no_codes():
    scale, bias = stretch(7)
    assert quantize_layer_normalization(np.zeros((0, 7), np.float32), scale, bias, epsilon=1.0, **WIDE).shape == (0, 7)
    assert quantize_softmax(np.zeros((3, 0), np.float32), scale=1.0, bias=0.0, **WIDE).shape == (3, 0)
