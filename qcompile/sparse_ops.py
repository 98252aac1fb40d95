"""What SparseMatMul and SparseConv mean, in numpy: they add to another operator's output what a few weights contribute.

Those few, the corrections, are single weights that their codebook serves badly. Places in the flattened weight are
stored as gaps of 16 bits: gap i is the number of weights between correction i and the one before it, or the first
weight. A wider gap is split by a correction of value zero. docs/packed-format.md is the contract in words.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qcompile.errors import ModelError
from qcompile.integer_ops import INTEGER_CONV_FLOAT, INTEGER_MATMUL_DYNAMIC, INTEGER_MATMUL_FLOAT
from qcompile.ops import (
    CODEBOOK_CONV,
    CODEBOOK_CONV_BFLOAT16,
    CODEBOOK_MATMUL,
    CODEBOOK_MATMUL_BFLOAT16,
    Floats,
    convolve,
)

SPARSE_MATMUL = "SparseMatMul"
SPARSE_CONV = "SparseConv"
SPARSE_OPERANDS = ("x", "base", "gaps", "values")
SPARSE_OF = {
    CODEBOOK_MATMUL: SPARSE_MATMUL,
    CODEBOOK_CONV: SPARSE_CONV,
    CODEBOOK_MATMUL_BFLOAT16: SPARSE_MATMUL,
    CODEBOOK_CONV_BFLOAT16: SPARSE_CONV,
}
CORRECTED = {
    **SPARSE_OF,
    INTEGER_MATMUL_FLOAT: SPARSE_MATMUL,
    INTEGER_MATMUL_DYNAMIC: SPARSE_MATMUL,
    INTEGER_CONV_FLOAT: SPARSE_CONV,
}
REACH = 2**16  # how far the next correction may be

Gaps = npt.NDArray[np.uint16]
Positions = npt.NDArray[np.int64]


def encode_corrections(weight: Floats) -> tuple[Gaps, npt.NDArray[np.float32]]:
    """The elements of ``weight`` that are not zero: gaps uint16 [count] and values float32 [count].

    ``weight`` is of any shape; count includes the zeros that split wide gaps.
    """
    flat = weight.astype(np.float32).reshape(-1)
    positions = np.flatnonzero(flat)
    before = np.concatenate([[-1], positions[:-1]])
    wide = np.flatnonzero(positions - before > REACH)
    fillers = [np.arange(before[i] + REACH, positions[i], REACH) for i in wide]
    places = np.sort(np.concatenate([positions, *fillers]))
    return (np.diff(places, prepend=-1) - 1).astype(np.uint16), flat[places]


def decode_positions(gaps: Gaps) -> Positions:
    """The places in the flattened weight, rising: int64, as many as ``gaps``."""
    return np.cumsum(gaps.astype(np.int64) + 1) - 1


def check_corrections(where: str, gaps: Gaps, values: Floats, weight_shape: Sequence[int]) -> None:
    """Raises ModelError unless gaps and values fit together and the weight; ``where`` names the node.

    The rules are those of docs/packed-format.md, section 4; the C++ library checks the same ones.
    """
    if len(weight_shape) < 2 or min(weight_shape) < 1:
        raise ModelError(f"{where}: weight_shape is {list(weight_shape)}, wanted 2 or more sizes, each at least 1")
    if math.prod(weight_shape[1:]) >= 2**32:
        raise ModelError(f"{where}: weight_shape is {list(weight_shape)}: its rows are too long")
    if gaps.dtype != np.uint16 or gaps.ndim != 1:
        raise ModelError(f"{where}: gaps are {gaps.dtype} {list(gaps.shape)}, wanted uint16 [count]")
    if values.dtype != np.float32 or values.shape != gaps.shape:
        raise ModelError(f"{where}: values are {values.dtype} {list(values.shape)}, wanted float32 {list(gaps.shape)}")
    if not np.isfinite(values).all():
        raise ModelError(f"{where}: values has a value that is not finite")
    positions, weights = decode_positions(gaps), math.prod(weight_shape)
    if len(positions) and positions[-1] >= weights:
        raise ModelError(
            f"{where}: the last correction is at {positions[-1]} of {weights} weights. "
            "Was the file packed by another version? Compile the model again"
        )


def decode_corrections(gaps: Gaps, values: Floats, weight_shape: Sequence[int]) -> Floats:
    """The corrections as a weight, zero elsewhere: the dtype of ``values``, shaped ``weight_shape``."""
    weight = np.zeros(math.prod(weight_shape), values.dtype)
    weight[decode_positions(gaps)] = values
    return weight.reshape(tuple(weight_shape))


def sparse_matmul(x: Floats, base: Floats, gaps: Gaps, values: Floats, *, weight_shape: Sequence[int]) -> Floats:
    """``base + x @ corrections.T``, accumulated in float64, in the dtype of ``x``.

    ``x`` is finite [..., k], ``base`` [..., n] and ``weight_shape`` [n, k].
    """
    weight = decode_corrections(gaps, values, weight_shape).astype(np.float64)
    return (base + x.astype(np.float64) @ weight.T).astype(x.dtype)


def sparse_conv(
    x: Floats,
    base: Floats,
    gaps: Gaps,
    values: Floats,
    *,
    weight_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Floats:
    """``base`` plus the convolution of ``x`` with the corrections, in the dtype of ``x``.

    ``x`` is finite; shapes and attributes are those of ``codebook_conv``, ``base`` is shaped like its result.
    """
    weight = decode_corrections(gaps, values, weight_shape).astype(np.float64)
    return (base + convolve(x.astype(np.float64), weight, strides, pads, dilations, group)).astype(x.dtype)
