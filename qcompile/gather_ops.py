"""What CodebookGather means, in numpy: the rows of a packed table that ids choose, as an embedding does.

It has the operands of a packed weight, ids in the place of ``x``. docs/packed-format.md is the contract in words.
"""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from qcompile.errors import ModelError
from qcompile.ops import Bytes, Floats, decode_scaled

CODEBOOK_GATHER = "CodebookGather"


def codebook_gather(
    ids: npt.NDArray[Any],
    indices: Bytes,
    codebook: Floats,
    scale: Floats,
    bias: Floats,
    *,
    bits: int,
    weight_shape: Sequence[int],
) -> Floats:
    """``(weight * scale + bias)[ids]``, in the dtype of ``codebook``: [*ids.shape, width].

    ``weight_shape`` is [rows, width]; ``scale`` and ``bias`` are one number for each row, or [0] where absent.
    ``ids`` are integers from -rows to rows - 1, negative ones count from the end.

    Raises ModelError where an id is outside of that.
    """
    rows = weight_shape[0]
    if ids.size and not -rows <= int(ids.min()) <= int(ids.max()) < rows:
        raise ModelError(f"ids are {ids.min()} to {ids.max()}, wanted {-rows} to {rows - 1}: the table has {rows} rows")
    weight = decode_scaled(indices, codebook, scale, bias, bits, weight_shape)
    chosen: Floats = weight[ids]
    return chosen
