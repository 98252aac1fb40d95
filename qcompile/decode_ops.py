"""What DecodeWeight means, in numpy: a packed weight as floats, for a layer that no operator of ours computes.

It has the operands of a packed weight, and the shape of the result in the place of ``x``. The library does not know it:
its function body is in every file, and onnxruntime computes it once, when the session is created.
"""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from qcompile.errors import ModelError
from qcompile.ops import Bytes, Floats, decode_scaled

DECODE_WEIGHT = "DecodeWeight"


def decode_to_shape(
    shape: npt.NDArray[Any],
    indices: Bytes,
    codebook: Floats,
    scale: Floats,
    bias: Floats,
    *,
    bits: int,
    weight_shape: Sequence[int],
) -> Floats:
    """``weight * scale + bias``, in the dtype of ``codebook``, with the sizes ``shape``.

    ``weight_shape`` is [rows, k]; ``scale`` and ``bias`` are one number for each row, or [0] where absent.

    Raises ModelError where ``shape`` has not as many elements.
    """
    weight = decode_scaled(indices, codebook, scale, bias, bits, weight_shape)
    try:
        return weight.reshape([int(size) for size in shape])
    except ValueError as error:
        raise ModelError(f"a weight {list(weight_shape)} cannot have the shape {shape.tolist()}") from error
