"""Bounds on what evaluations of CodebookMatMulBfloat16 and CodebookConvBfloat16 may differ by.

Products of two bfloat16 values have at most 16 digits, so they are exact in float32, fused or not; sums of them keep
the bound of float sums, in any order (bounded.py). Two things are added.

* Rounding is not continuous: where ``x`` is known up to an error, its rounded value lies between the rounded ends.
* Numbers too small to be normal. ``vdpbf16ps`` takes them as zero, those that it reads and each sum on the way, and so
  does ``vcvtne2ps2bf16`` before it rounds; other ways to run keep them. So an element of x that is denormal, or was
  before it became the least normal number, may as well be zero; and each product and each addition may lose as much.
"""

import numpy as np

from qcompile.bfloat16_ops import LEAST_NORMAL, round_to_bfloat16
from qcompile.bounded import Array, Bounded, gamma


def round_bounded(x: Bounded) -> Bounded:
    """``x`` rounded to bfloat16, or zero where it is denormal."""
    value = round_to_bfloat16(x.value).astype(np.float64)
    lowest, highest = (_round(x.value + sign * x.error) for sign in (-1, 1))
    # Both ends lie on one side of zero and within reach of it: then zero is outside.
    lowest = np.where((lowest > 0) & (lowest <= LEAST_NORMAL), 0.0, lowest)
    highest = np.where((highest < 0) & (highest >= -LEAST_NORMAL), 0.0, highest)
    same = (lowest == value) & (highest == value)  # also for infinities
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.maximum(highest - value, value - lowest))
    return Bounded(value, error)


def _round(values: Array) -> Array:
    return round_to_bfloat16(values).astype(np.float64)


def add_flushes(product: Bounded, terms: int) -> Bounded:
    """``product``, sums of ``terms`` products, each product and addition of which may lose what is denormal."""
    lost = 2 * terms * LEAST_NORMAL * (1 + gamma(terms))
    return Bounded(product.value, np.where(product.error == 0, 0.0, product.error + lost))
