"""What IntegerProduct and IntegerProductFloat mean, in numpy: products of two tensors of codes, as in attention.

docs/packed-format.md, section 6, is the contract in words.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from qcompile.errors import ModelError
from qcompile.integer_ops import Codes, Floats, Sums, to_codes

INTEGER_PRODUCT = "IntegerProduct"
INTEGER_PRODUCT_FLOAT = "IntegerProductFloat"
INTEGER_PRODUCTS = frozenset([INTEGER_PRODUCT, INTEGER_PRODUCT_FLOAT])
SHAPES = ("a_shape", "b_shape", "y_shape")
MAX_PRODUCT_AXES = 8
MAX_PRODUCT_TERMS = 32768  # of a sum: 32768 * 255 * 255 is below 2^31

Number = TypeVar("Number", bound=np.generic)


def integer_product(
    a: Codes,
    b: Codes,
    *,
    a_zero_point: int,
    b_zero_point: int,
    a_perm: Sequence[int],
    b_perm: Sequence[int],
    y_perm: Sequence[int],
    scale: float,
    bias: float,
    y_min: int,
    y_max: int,
    a_shape: Sequence[int] = (),
    b_shape: Sequence[int] = (),
    y_shape: Sequence[int] = (),
    a_bits: int = 8,
    k: int | None = None,
) -> Codes:
    """The codes [..., m, n] of sum * scale + bias, their axes in the order ``y_perm``, then shaped ``y_shape``.

    ``a`` and ``b``, shaped ``a_shape`` and ``b_shape``, are operands of ``sum_product``; ``reshaped`` says how shapes
    are written. ``a_bits`` and the attribute ``k`` change nothing. Raises ModelError as these two do.
    """
    left, right = reshaped(a, a_shape), reshaped(b, b_shape)
    sums = sum_product(left, right, a_zero_point, b_zero_point, a_perm, b_perm).transpose(y_perm)
    result = to_codes(sums.astype(np.float32) * np.float32(scale) + np.float32(bias), y_min, y_max)
    return reshaped(result, y_shape)


def integer_product_float(
    a: Codes,
    b: Codes,
    *,
    a_zero_point: int,
    b_zero_point: int,
    a_perm: Sequence[int],
    b_perm: Sequence[int],
    y_perm: Sequence[int],
    scale: float,
    a_shape: Sequence[int] = (),
    b_shape: Sequence[int] = (),
    y_shape: Sequence[int] = (),
    a_bits: int = 8,
    k: int | None = None,
) -> Floats:
    """The float32 [..., m, n] of sum * scale, operands, order of axes and shapes as those of ``integer_product``."""
    left, right = reshaped(a, a_shape), reshaped(b, b_shape)
    sums = sum_product(left, right, a_zero_point, b_zero_point, a_perm, b_perm).transpose(y_perm)
    result: Floats = sums.astype(np.float32) * np.float32(scale)
    return reshaped(result, y_shape)


def reshaped(x: npt.NDArray[Number], shape: Sequence[int]) -> npt.NDArray[Number]:
    """``x`` with the axes ``shape``, written as for Reshape: 0 is the size that ``x`` has there, -1 what is left.

    An empty ``shape`` leaves ``x`` as it is. Raises ModelError if the sizes do not fit.
    """
    if not shape:
        return x
    try:
        return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)])
    except (IndexError, ValueError) as error:
        raise ModelError(f"a tensor of {list(x.shape)} cannot be shaped {list(shape)}") from error


def check_orders(a_perm: Sequence[int], b_perm: Sequence[int], y_perm: Sequence[int]) -> None:
    """Raises ModelError unless these are orders of the same two to eight axes that keep neighbours in memory together.

    The last axis of ``a`` is summed over, that of ``b`` is summed over or one of the result, that of the result is n.
    """
    rank = len(a_perm)
    last = rank - 1
    orders = all(sorted(perm) == list(range(rank)) for perm in (a_perm, b_perm, y_perm))
    if (
        not 2 <= rank <= MAX_PRODUCT_AXES
        or not orders
        or a_perm[-1] != last
        or y_perm[-1] != last
        or last not in b_perm[-2:]
    ):
        raise ModelError(
            f"a_perm {list(a_perm)}, b_perm {list(b_perm)} and y_perm {list(y_perm)} are no orders of the same axes, "
            f"2 to {MAX_PRODUCT_AXES}, in which the last axis of a stays the last, that of b one of the last two and "
            "that of y the last"
        )


def sum_product(
    a: Codes, b: Codes, a_zero_point: int, b_zero_point: int, a_perm: Sequence[int], b_perm: Sequence[int]
) -> Sums:
    """Exact sums [..., m, n] of ``a`` [..., m, k] and ``b`` [..., k, n], once their axes are in these orders.

    Raises ModelError unless the orders and the shapes fit together: nothing is repeated.
    """
    check_orders(a_perm, b_perm, range(len(a_perm)))
    left, right = (x.transpose(perm) if x.ndim == len(perm) else x for x, perm in ((a, a_perm), (b, b_perm)))
    fits = a.ndim == len(a_perm) and left.shape[:-2] == right.shape[:-2] and left.shape[-1] == right.shape[-2]
    if not fits or left.shape[-1] > MAX_PRODUCT_TERMS:
        raise ModelError(
            f"a is {list(left.shape)} and b {list(right.shape)}, their axes in order, wanted [..., m, k] "
            f"and [..., k, n] with the same leading axes and k at most {MAX_PRODUCT_TERMS}"
        )
    sums = (left.astype(np.float64) - a_zero_point) @ (right.astype(np.float64) - b_zero_point)  # exact: below 2^53
    return sums.astype(np.int64)


def largest_product_sum(terms: int, a_zero_point: int, b_zero_point: int, a_bits: int = 8) -> int:
    """What no partial sum of ``terms`` products can exceed in size, in whatever order it is taken."""
    reach_a = max(a_zero_point, (1 << a_bits) - 1 - a_zero_point)
    return terms * reach_a * max(b_zero_point, 255 - b_zero_point)
