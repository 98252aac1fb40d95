"""What the sums of a product of two tensors of codes may differ by: both of them may be uncertain."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qcompile.bounded import Array, Bounded, gamma
from qcompile.integer_ops import EXACT_SUM
from qcompile.integer_product import largest_product_sum, sum_product

ZERO_POINTS = ("a_zero_point", "b_zero_point")


def product_may_round(a: Array, attributes: Mapping[str, Any]) -> bool:
    """Whether a sum of products with the codes ``a`` [..., m, k] may go beyond what float32 holds exactly."""
    origin_a, origin_b = (int(attributes[name]) for name in ZERO_POINTS)
    return largest_product_sum(a.shape[-1], origin_a, origin_b, attributes.get("a_bits", 8)) > EXACT_SUM


def bounded_product(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """The sums [..., m, n], and what they may differ by: by uncertain codes, and by rounding beyond 2^24."""
    a, b = operands
    origin_a, origin_b = (int(attributes[name]) for name in ZERO_POINTS)
    sums = sum_product(a.value, b.value, origin_a, origin_b, attributes["b_transposed"])
    sizes_a, sizes_b = np.abs(a.value.astype(np.float64) - origin_a), np.abs(b.value.astype(np.float64) - origin_b)
    error_b, sizes_b = (
        np.swapaxes(array, -1, -2) if attributes["b_transposed"] else array for array in (b.error, sizes_b)
    )
    error = a.error @ (sizes_b + error_b) + sizes_a @ error_b
    reach = (sizes_a + a.error) @ (sizes_b + error_b)
    rounding = np.where(reach > EXACT_SUM, gamma(a.value.shape[-1] + 1) * reach, 0.0)
    return Bounded(sums.astype(np.float64), error + rounding)
