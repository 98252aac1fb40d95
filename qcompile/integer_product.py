"""What IntegerProduct and IntegerProductFloat mean, in numpy: products of two tensors of codes, as in attention.

docs/packed-format.md, section 6, is the contract in words.
"""

import numpy as np

from qcompile.errors import ModelError
from qcompile.integer_ops import Codes, Floats, Sums, to_codes

INTEGER_PRODUCT = "IntegerProduct"
INTEGER_PRODUCT_FLOAT = "IntegerProductFloat"
INTEGER_PRODUCTS = frozenset([INTEGER_PRODUCT, INTEGER_PRODUCT_FLOAT])
MAX_PRODUCT_TERMS = 32768  # of a sum: 32768 * 255 * 255 is below 2^31


def integer_product(
    a: Codes,
    b: Codes,
    *,
    a_zero_point: int,
    b_zero_point: int,
    b_transposed: int,
    scale: float,
    bias: float,
    y_min: int,
    y_max: int,
    a_bits: int = 8,
    k: int | None = None,
) -> Codes:
    """The codes [..., m, n] of sum * scale + bias for ``a`` [..., m, k] and ``b`` [..., k, n] or transposed.

    ``a_bits`` and the attribute ``k`` change nothing. Raises ModelError as ``sum_product`` does.
    """
    sums = sum_product(a, b, a_zero_point, b_zero_point, b_transposed)
    return to_codes(sums.astype(np.float32) * np.float32(scale) + np.float32(bias), y_min, y_max)


def integer_product_float(
    a: Codes,
    b: Codes,
    *,
    a_zero_point: int,
    b_zero_point: int,
    b_transposed: int,
    scale: float,
    a_bits: int = 8,
    k: int | None = None,
) -> Floats:
    """The float32 [..., m, n] of sum * scale, operands as those of ``integer_product``."""
    sums = sum_product(a, b, a_zero_point, b_zero_point, b_transposed)
    result: Floats = sums.astype(np.float32) * np.float32(scale)
    return result


def sum_product(a: Codes, b: Codes, a_zero_point: int, b_zero_point: int, b_transposed: int) -> Sums:
    """Exact sums [..., m, n]. Raises ModelError unless the shapes fit together: nothing is repeated."""
    right = np.swapaxes(b, -1, -2) if b_transposed and b.ndim > 1 else b
    fits = a.ndim > 1 and a.ndim == right.ndim and a.shape[:-2] == right.shape[:-2] and a.shape[-1] == right.shape[-2]
    if not fits or a.shape[-1] > MAX_PRODUCT_TERMS:
        raise ModelError(
            f"a is {list(a.shape)} and b{' transposed' if b_transposed else ''} {list(b.shape)}, wanted [..., m, k] "
            f"and [..., k, n] with the same leading axes and k at most {MAX_PRODUCT_TERMS}"
        )
    sums = (a.astype(np.float64) - a_zero_point) @ (right.astype(np.float64) - b_zero_point)  # exact: below 2^53
    return sums.astype(np.int64)


def largest_product_sum(terms: int, a_zero_point: int, b_zero_point: int, a_bits: int = 8) -> int:
    """What no partial sum of ``terms`` products can exceed in size, in whatever order it is taken."""
    reach_a = max(a_zero_point, (1 << a_bits) - 1 - a_zero_point)
    return terms * reach_a * max(b_zero_point, 255 - b_zero_point)
