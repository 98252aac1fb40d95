"""What CodebookMatMulBfloat16 and CodebookConvBfloat16 mean, in numpy: products of numbers of 8 digits.

They are CodebookMatMul and CodebookConv of ``x`` rounded to bfloat16, the upper half of a float32, with a codebook of
such values; products are exact in float32, sums, scale and bias are float32 as ever. docs/packed-format.md is the
contract in words.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from qcompile import ops
from qcompile.errors import ModelError
from qcompile.ops import CODEBOOK_CONV, CODEBOOK_CONV_BFLOAT16, CODEBOOK_MATMUL, CODEBOOK_MATMUL_BFLOAT16, Floats

BFLOAT16_OF = {CODEBOOK_MATMUL: CODEBOOK_MATMUL_BFLOAT16, CODEBOOK_CONV: CODEBOOK_CONV_BFLOAT16}
BFLOAT16_OPS = frozenset(BFLOAT16_OF.values())
LEAST_NORMAL = 2.0**-126


def round_to_bfloat16(values: Floats) -> npt.NDArray[np.float32]:
    """The nearest bfloat16 values, of two as near the one whose last bit is zero, as float32.

    What lies beyond the largest by half a step or more becomes infinite; NaN stays NaN.
    """
    with np.errstate(over="ignore"):
        floats = np.asarray(values, dtype=np.float32)
    bits = floats.view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    upper = np.where(np.isnan(floats), bits | np.uint32(0x400000), rounded) & np.uint32(0xFFFF0000)
    return upper.view(np.float32)


def round_codebook(codebook: Floats) -> npt.NDArray[np.float32]:
    """``codebook`` in bfloat16, with zero for what is too small to be normal."""
    rounded = round_to_bfloat16(codebook)
    return np.where(np.abs(rounded) < LEAST_NORMAL, np.float32(0), rounded)


def check_bfloat16_codebook(where: str, codebook: Floats) -> None:
    """Raises ModelError unless all entries are bfloat16 values, zero or normal; ``where`` names the node.

    The C++ library checks the same.
    """
    wrong = codebook[codebook != round_codebook(codebook)]
    if wrong.size:
        raise ModelError(
            f"{where}: codebook has {wrong[0]!s}, no bfloat16 value or a denormal one; wanted bfloat16 values, "
            "zero or normal. Compile the model again"
        )


def codebook_matmul_bfloat16(x: Floats, *operands: npt.NDArray[Any], **attributes: Any) -> Floats:
    """``ops.codebook_matmul`` of ``x`` rounded to bfloat16, in the dtype of ``x``."""
    return ops.codebook_matmul(round_to_bfloat16(x).astype(x.dtype), *operands, **attributes)


def codebook_conv_bfloat16(x: Floats, *operands: npt.NDArray[Any], **attributes: Any) -> Floats:
    """``ops.codebook_conv`` of ``x`` rounded to bfloat16, in the dtype of ``x``."""
    return ops.codebook_conv(round_to_bfloat16(x).astype(x.dtype), *operands, **attributes)
