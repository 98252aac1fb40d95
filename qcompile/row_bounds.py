"""What normalized rows may differ by: in floats, and as codes where what these read is not exact."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qcompile import row_ops
from qcompile.bounded import Array, Bounded, gamma

# Each number of a row is off by half a unit; its product with the units, and its mean, are rounded to float32: at most
# 2^-24 of 2^19 units, each.
NUMBER_ERROR = 0.5 + 2 * 2.0**-5
NORMALIZATION_ROUNDINGS = 6  # the difference, two factors and their products, the sum
# Relative, of a power of two: its polynomial; an exponent, at most 32, of two roundings, the logarithm's own as well.
POWER_ERROR = 1.1e-4 + 32 * gamma(3)
SOFTMAX_ROUNDINGS = 5  # of the total, its quotient, the product, the sum


def bounded_rows(op_type: str, operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> tuple[Array, Array]:
    """What is rounded to codes, in float64, and what it may differ by."""
    if op_type == row_ops.QUANTIZE_SOFTMAX:
        return _softmax(operands[0], attributes["scale"], attributes["bias"])
    x, scale, bias = operands
    return _normalization(x, scale.value, bias.value, attributes["epsilon"])


def bounded_layer_normalization(x: Bounded, scale: Array, bias: Array, epsilon: float) -> Bounded:
    """LayerNormalization of the last axis in float32, sums in any order; the variance may be taken of plain squares."""
    columns = x.value.shape[-1]
    normal, deviation = _normalize(x.value, epsilon)
    sizes = np.abs(x.value) + x.error
    moved = x.error + gamma(columns + 1) * sizes.mean(axis=-1, keepdims=True)
    # Of the deviation: what the variance is off by, over a deviation or more.
    off = 2 * gamma(columns + 4) * np.square(sizes).mean(axis=-1, keepdims=True) / deviation
    return Bounded(*_stretch(normal, _change(normal, deviation, moved, off), scale, bias))


def _normalization(x: Bounded, scale: Array, bias: Array, epsilon: float) -> tuple[Array, Array]:
    normal, deviation = _normalize(x.value, epsilon)
    largest = np.maximum((np.abs(x.value) + x.error).max(axis=-1, keepdims=True), row_ops.SMALLEST_ROW)
    moved = x.error + NUMBER_ERROR * largest / row_ops.NORMALIZATION_UNITS
    change = _change(normal, deviation, moved, np.zeros_like(largest))
    most = np.abs(normal) + np.sqrt(x.value.shape[-1])  # no normalized number is larger than that root
    return _stretch(normal, np.minimum(change, most), scale, bias)


def _change(normal: Array, deviation: Array, moved: Array, off: Array) -> Array:
    """What normalized rows may differ by if the numbers do by ``moved`` and the deviation by ``off`` more.

    The deviation is a norm of the row: it changes by at most the norm of what the row changes by.
    """
    mean, norm = moved.mean(axis=-1, keepdims=True), off + np.sqrt(np.square(moved).mean(axis=-1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        change: Array = (moved + mean + np.abs(normal) * norm) / (deviation - norm)
    return np.where(norm < deviation, change, np.inf)


def _stretch(normal: Array, change: Array, scale: Array, bias: Array) -> tuple[Array, Array]:
    """``normal`` times ``scale`` plus ``bias``, and what that may differ by if ``normal`` does by ``change``."""
    reach = (np.abs(normal) + change) * np.abs(scale) + np.abs(bias)
    return normal * scale + bias, change * np.abs(scale) + gamma(NORMALIZATION_ROUNDINGS) * reach


def _normalize(x: Array, epsilon: float) -> tuple[Array, Array]:
    centered = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centered).mean(axis=-1, keepdims=True) + epsilon)
    return centered / deviation, deviation


def _softmax(x: Bounded, scale: float, bias: float) -> tuple[Array, Array]:
    """Exponents off by e change each result by a factor of at most exp(2 e); a unit is off by a half and its power."""
    powers = np.exp(x.value - x.value.max(axis=-1, keepdims=True))
    value = powers / powers.sum(axis=-1, keepdims=True)
    lost = 0.5 / row_ops.SOFTMAX_UNITS  # of the largest, which is no more than the total
    off = x.error.max(axis=-1, keepdims=True) + POWER_ERROR + lost * x.value.shape[-1]
    with np.errstate(over="ignore"):
        reach = np.minimum(value * np.expm1(2 * off) + lost * np.exp(2 * off), 1.0)
    number, size = value * scale + bias, (value + reach) * abs(scale) + abs(bias)
    return number, reach * abs(scale) + gamma(SOFTMAX_ROUNDINGS) * size
