"""What IntegerMatMulDynamic means, in numpy: rows of floats become codes as they come, each in a range of its own.

docs/packed-format.md, section 6, is the contract in words. Every operation on floats is one in float32, rounded by
itself, so that all ways to run a file give the same numbers.
"""

from typing import NamedTuple

import numpy as np

from qcompile import integer_ops as ops


class CodedRows(NamedTuple):
    """Rows [..., k] of floats, about ``numbers`` * ``steps``.

    ``numbers`` are whole, int64 [..., k], codes less their zero point; ``steps`` float32 [..., 1].
    """

    numbers: ops.Sums
    steps: ops.Floats


def quantize_rows(x: ops.Floats, bits: int) -> CodedRows:
    """The codes of ``bits`` bits of each row of float32 ``x`` [..., k].

    A row of zeros has the step 0; a row that is not finite, or whose range is not, the step NaN. Their numbers are 0.
    """
    most = np.float32(2**bits - 1)
    finite = np.isfinite(x).all(axis=-1, keepdims=True)
    known = np.where(finite, x, np.float32(0))
    low = np.minimum(known.min(axis=-1, keepdims=True), np.float32(0))
    high = np.maximum(known.max(axis=-1, keepdims=True), np.float32(0))
    with np.errstate(over="ignore"):
        steps = (high - low) / most
    coded = finite & np.isfinite(steps) & (steps > 0)
    divisors = np.where(coded, steps, np.float32(1))
    zero_points = np.where(coded, np.clip(np.rint(-low / divisors), 0, most), np.float32(0))
    codes = np.clip(np.rint(np.where(coded, x, np.float32(0)) / divisors) + zero_points, 0, most)
    undefined = ~finite | ~np.isfinite(steps)
    steps = np.where(undefined, np.float32(np.nan), np.where(coded, steps, np.float32(0)))
    return CodedRows((codes - zero_points).astype(np.int64), steps)


def sum_rows(rows: CodedRows, weight: ops.Signed) -> ops.Sums:
    """Exact sums [..., n] of the numbers [..., k] times ``weight`` [n, k]."""
    sums = rows.numbers.astype(np.float64) @ weight.astype(np.float64).T  # exact: below 2^53
    return sums.astype(np.int64)


def integer_matmul_dynamic(
    x: ops.Floats, weight: ops.Signed, scale: ops.Floats, bias: ops.Floats, bits: int
) -> ops.Floats:
    """``x`` [..., k], rounded to ``bits`` bits row by row, times ``weight`` [n, k]: float32 [..., n]."""
    rows = quantize_rows(x, bits)
    with np.errstate(over="ignore", invalid="ignore"):
        result: ops.Floats = sum_rows(rows, weight).astype(np.float32) * (rows.steps * scale) + bias
    return result
