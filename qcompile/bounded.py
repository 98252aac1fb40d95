"""Tensors in float64 that carry a bound on what float32 may differ by, and the arithmetic of those bounds.

The rules are the textbook ones (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1): n
operations in a row have a relative error of at most gamma(n) = n u / (1 - n u), u = 2^-24; an error that comes in is
multiplied by |weight|.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
UNIT_ROUNDOFF = 2.0**-24


@dataclass(frozen=True)
class Bounded:
    """A tensor in float64 (or an integer tensor as it is) and, shaped like it, a bound on its float32 error."""

    value: Array
    error: Array


def exact(value: Array) -> Bounded:
    """A value that float32 holds exactly: an input or an initializer."""
    value = value.astype(np.float64) if np.issubdtype(value.dtype, np.floating) else value
    return Bounded(value, np.zeros(value.shape))


def gamma(operations: int) -> float:
    """The relative error bound of ``operations`` float32 roundings in a row."""
    return operations * UNIT_ROUNDOFF / (1 - operations * UNIT_ROUNDOFF)


def bilinear(a: Bounded, b: Bounded, multiply: Any, terms: int) -> Bounded:
    """``multiply(a, b)``, which is linear in each: sums of ``terms`` products, in any order."""
    value = multiply(a.value, b.value)
    reach_a, reach_b = np.abs(a.value) + a.error, np.abs(b.value) + b.error
    error = gamma(terms) * multiply(reach_a, reach_b)
    if a.error.any():
        error = error + multiply(a.error, reach_b)
    if b.error.any():
        error = error + multiply(np.abs(a.value), b.error)
    return Bounded(value, error)


def scale_and_shift(product: Bounded, scale: Array, bias: Array, terms: int, bias_error: Array | float = 0) -> Bounded:
    """``product * scale + bias``: two roundings more than the ``terms`` that ``product`` already counts.

    onnxruntime may multiply the weight by ``scale`` beforehand: one rounding, as the multiplication afterwards.
    """
    value = product.value * scale + bias
    # product.error >= gamma(terms) * sum |x w|; two more roundings scale it by at most (terms + 2) / terms.
    reach = np.abs(product.value * scale) + np.abs(bias) + bias_error
    error = product.error * np.abs(scale) * (1 + 4 / terms) + bias_error + gamma(2) * reach
    return Bounded(value, error)


def elementwise(op_type: str, a: Bounded, b: Bounded) -> Bounded:
    """``a`` op ``b``, op_type one of Add, Sub, Mul and Div: one rounding."""
    if op_type == "Div":
        return _divide(a, b)
    if op_type == "Mul":
        value = a.value * b.value
        error = np.abs(a.value) * b.error + np.abs(b.value) * a.error + a.error * b.error
    else:
        value = a.value + b.value if op_type == "Add" else a.value - b.value
        error = a.error + b.error
    return Bounded(value, error + gamma(1) * (np.abs(value) + error))


def _divide(a: Bounded, b: Bounded) -> Bounded:
    """|a / b - (a + e) / (b + f)| <= (e + |a / b| f) / (|b| - f); nothing is known where b may be 0.

    A runtime may multiply by the reciprocal instead: three roundings then.
    """
    least = np.abs(b.value) - b.error
    with np.errstate(divide="ignore", invalid="ignore"):
        value = a.value / b.value
        error = (a.error + np.abs(value) * b.error) / least
    return Bounded(value, np.where(least > 0, error + gamma(3) * (np.abs(value) + error), np.inf))


def accumulate(base: Bounded, product: Bounded, terms: int) -> Bounded:
    """``base`` plus a ``product`` of ``terms`` products, added to it in any order: each sum may round all of it."""
    reach = np.abs(base.value) + base.error
    # product.error >= gamma(terms) * sum |x w|; one rounding more scales it by at most (terms + 1) / terms.
    error = base.error + product.error * (1 + 2 / terms) + gamma(terms + 1) * reach
    return Bounded(base.value + product.value, error)


def quantize(x: Bounded, scale: Bounded, zero_point: Bounded) -> Bounded:
    """QuantizeLinear: one division and one rounding to a whole number; what is not exact may be another code."""
    step, origin = np.float32(scale.value.reshape(())), float(zero_point.value.reshape(()))
    codes = np.clip(np.rint(x.value.astype(np.float32) / step) + origin, 0, 255)
    numbers = x.value / float(step)
    reach = x.error / float(step)
    reach = np.where(x.error > 0, reach + gamma(2) * (np.abs(numbers) + reach), 0)
    lowest, highest = (np.clip(np.rint(end) + origin, 0, 255) for end in (numbers - reach, numbers + reach))
    error = np.where(x.error > 0, np.maximum(highest - codes, codes - lowest), 0)
    return Bounded(codes.astype(np.uint8), error)


def dequantize(x: Bounded, scale: Bounded, zero_point: Bounded) -> Bounded:
    """DequantizeLinear: an exact difference times the scale, one rounding."""
    step = float(scale.value.reshape(()))
    value = (x.value.astype(np.float64) - float(zero_point.value.reshape(()))) * step
    return Bounded(value, x.error * step + gamma(1) * (np.abs(value) + x.error * step))
