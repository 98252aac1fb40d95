"""IntegerMatMulDynamic on rows that carry a bound: a row of exact floats gives exact numbers, others an interval.

A float that may be off by e lies between x - e and x + e. Least, largest, range, step and codes keep order, so the ends
of these intervals bound the step and each number; both bound the sum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qcompile import integer_ops as ops
from qcompile.bounded import Array, Bounded, gamma
from qcompile.dynamic_ops import CodedRows, integer_matmul_dynamic, quantize_rows, sum_rows

EPILOGUE_ROUNDINGS = 4  # of float(sum), step times scale, the product of both, plus bias
SMALLEST = 2.0**-149  # of float32: a step may be off by so much where it is hardly a number


@dataclass(frozen=True)
class _Interval:
    low: Array
    high: Array

    def widened(self, roundings: int) -> "_Interval":
        """What float32 may make of it in so many roundings in a row."""
        slack = gamma(roundings)
        return _Interval(
            self.low - slack * np.abs(self.low) - SMALLEST, self.high + slack * np.abs(self.high) + SMALLEST
        )

    def distance(self, value: Array) -> Array:
        """How far the interval reaches from ``value``."""
        farthest: Array = np.maximum(0, np.maximum(self.high - value, value - self.low))
        return farthest


def bounded_dynamic(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """The output of an IntegerMatMulDynamic, with its bound: infinite where nothing is known of a row."""
    x, indices, codebook, scale, bias = operands
    weight = ops.decode_integer_weight(indices.value, codebook.value, attributes["bits"], attributes["weight_shape"])
    bits = attributes.get("x_bits", 8)
    given, factors, offsets = (operand.value.astype(np.float32) for operand in (x, scale, bias))
    value = integer_matmul_dynamic(given, weight, factors, offsets, bits)
    rows = quantize_rows(given, bits)
    with np.errstate(all="ignore"):
        step_error, sum_error = _uncertainty(x, rows, weight, bits)
        error = _result_error(rows, sum_rows(rows, weight), step_error, sum_error, scale.value, bias.value)
    certain = (step_error == 0) & (sum_error == 0)
    error = np.where(certain, 0.0, np.where(np.isfinite(error), error, np.inf))
    return Bounded(value.astype(np.float64), error)


def _uncertainty(x: Bounded, rows: CodedRows, weight: ops.Signed, bits: int) -> tuple[Array, Array]:
    """What the steps [..., 1] and the sums [..., n] may differ by."""
    numbers, sizes = rows.numbers.astype(np.float64), np.abs(weight.astype(np.float64)).T
    uncertain = (x.error > 0).any(axis=-1, keepdims=True)
    steps, reach = _intervals(x, 2**bits - 1)
    step_error = np.where(uncertain, steps.distance(rows.steps.astype(np.float64)), 0.0)
    number_error = np.where(uncertain, reach.distance(numbers), 0.0)
    sums = (np.abs(numbers) + number_error) @ sizes
    rounding = np.where(sums > ops.EXACT_SUM, gamma(weight.shape[1] + 1) * sums, 0.0)
    return step_error, number_error @ sizes + rounding


def _intervals(x: Bounded, most: int) -> tuple[_Interval, _Interval]:
    """The step and the numbers of each row; NaN where a step may be no number above 0."""
    ends = _Interval(x.value - x.error, x.value + x.error)
    lows, highs = (
        _Interval(cut(pick(ends.low), 0), cut(pick(ends.high), 0))
        for cut, pick in ((np.minimum, _least), (np.maximum, _largest))
    )
    steps = _Interval((highs.low - lows.high) / most, (highs.high - lows.low) / most).widened(2)
    is_step = (steps.low > 0) & (steps.high < np.finfo(np.float32).max)
    steps = _Interval(np.where(is_step, steps.low, np.nan), np.where(is_step, steps.high, np.nan))
    below = _divide(_Interval(-lows.high, -lows.low), steps)
    zero = _Interval(*(np.clip(np.rint(end), 0, most) for end in (below.low, below.high)))
    plain = _divide(ends, steps)
    low = np.clip(np.rint(plain.low), -zero.high, most - zero.high)
    return steps, _Interval(low, np.clip(np.rint(plain.high), -zero.low, most - zero.low))


def _divide(a: _Interval, b: _Interval) -> _Interval:
    """``a`` / ``b``, rounded once; ``b`` is above 0."""
    low = np.minimum(a.low / b.low, a.low / b.high)
    return _Interval(low, np.maximum(a.high / b.low, a.high / b.high)).widened(1)


def _least(values: Array) -> Array:
    return np.asarray(values.min(axis=-1, keepdims=True))


def _largest(values: Array) -> Array:
    return np.asarray(values.max(axis=-1, keepdims=True))


def _result_error(
    rows: CodedRows, sums: ops.Sums, step_error: Array, sum_error: Array, scale: Array, bias: Array
) -> Array:
    steps, sizes = rows.steps.astype(np.float64), np.abs(sums.astype(np.float64))
    error = (sum_error * (steps + step_error) + sizes * step_error) * np.abs(scale)
    reach = sizes * steps * np.abs(scale) + np.abs(bias)
    return np.asarray(error + gamma(EPILOGUE_ROUNDINGS) * (reach + error) + (sizes + 1) * SMALLEST)
