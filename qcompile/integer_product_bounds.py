"""What the sums of a product of two tensors of codes may differ by: both of them may be uncertain."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qcompile.bounded import Array, Bounded, gamma
from qcompile.integer_ops import EXACT_SUM
from qcompile.integer_product import SHAPES, largest_product_sum, reshaped, sum_product

ZERO_POINTS = ("a_zero_point", "b_zero_point")


def product_may_round(a: Array, attributes: Mapping[str, Any]) -> bool:
    """Whether a sum of products with the codes ``a`` [..., k] may go beyond what float32 holds exactly."""
    a = reshaped(a, attributes.get("a_shape", ()))
    origin_a, origin_b = (int(attributes[name]) for name in ZERO_POINTS)
    return largest_product_sum(a.shape[-1], origin_a, origin_b, attributes.get("a_bits", 8)) > EXACT_SUM


def bounded_product(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """The sums, their axes in the order of the result, and what they may differ by.

    By uncertain codes, and by rounding beyond 2^24.
    """
    origin_a, origin_b = (int(attributes[name]) for name in ZERO_POINTS)
    a, b = (_shaped(x, attributes.get(name, ())) for x, name in zip(operands, SHAPES[:2], strict=True))
    sums = sum_product(a.value, b.value, origin_a, origin_b, attributes["a_perm"], attributes["b_perm"])
    a, b = _in_order(a, attributes["a_perm"]), _in_order(b, attributes["b_perm"])
    sizes_a, sizes_b = np.abs(a.value.astype(np.float64) - origin_a), np.abs(b.value.astype(np.float64) - origin_b)
    error = a.error @ (sizes_b + b.error) + sizes_a @ b.error
    reach = (sizes_a + a.error) @ (sizes_b + b.error)
    rounding = np.where(reach > EXACT_SUM, gamma(a.value.shape[-1] + 1) * reach, 0.0)
    found = _in_order(Bounded(sums.astype(np.float64), error + rounding), attributes["y_perm"])
    return _shaped(found, attributes.get("y_shape", ()))


def _shaped(x: Bounded, shape: Sequence[int]) -> Bounded:
    return Bounded(reshaped(x.value, shape), reshaped(np.broadcast_to(x.error, x.value.shape), shape))


def _in_order(x: Bounded, perm: Sequence[int]) -> Bounded:
    return Bounded(x.value.transpose(perm), x.error.transpose(perm))
