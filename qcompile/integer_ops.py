"""What the integer operators of domain ``qcompile`` mean, in numpy: the reference of the bodies and the kernels.

Sums of codes are exact; every operation on floats is one in float32, rounded by itself, so that all ways to run a file
give the same codes. docs/packed-format.md, section 6, is the contract in words.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qcompile.errors import ModelError
from qcompile.ops import convolve
from qcompile.tiles import tiled_size, unpack_tiles

INTEGER_MATMUL = "IntegerMatMul"
INTEGER_MATMUL_ADD = "IntegerMatMulAdd"
INTEGER_MATMUL_ADD_FLOAT = "IntegerMatMulAddFloat"
INTEGER_MATMUL_TABLE = "IntegerMatMulTable"
INTEGER_MATMUL_FLOAT = "IntegerMatMulFloat"
INTEGER_MATMUL_DYNAMIC = "IntegerMatMulDynamic"  # its meaning: dynamic_ops.py
INTEGER_CONV = "IntegerConv"
INTEGER_CONV_ADD = "IntegerConvAdd"
INTEGER_CONV_TABLE = "IntegerConvTable"
INTEGER_CONV_FLOAT = "IntegerConvFloat"
INTEGER_ADD = "IntegerAdd"
INTEGER_MAX_POOL = "IntegerMaxPool"
INTEGER_GLOBAL_AVERAGE_POOL = "IntegerGlobalAveragePool"
INTEGER_TABLE = "IntegerTable"
QUANTIZE_INPUT = "QuantizeInput"
INTEGER_MATMULS = frozenset(
    [INTEGER_MATMUL, INTEGER_MATMUL_ADD, INTEGER_MATMUL_ADD_FLOAT, INTEGER_MATMUL_TABLE, INTEGER_MATMUL_FLOAT]
)
INTEGER_CONVS = frozenset([INTEGER_CONV, INTEGER_CONV_ADD, INTEGER_CONV_TABLE, INTEGER_CONV_FLOAT])
INTEGER_LAYERS = INTEGER_MATMULS | INTEGER_CONVS | {INTEGER_MATMUL_DYNAMIC}  # all with a weight
ADDING = frozenset([INTEGER_MATMUL_ADD, INTEGER_MATMUL_ADD_FLOAT, INTEGER_CONV_ADD])  # a residual
TABLED = {INTEGER_MATMUL: INTEGER_MATMUL_TABLE, INTEGER_CONV: INTEGER_CONV_TABLE}  # the same with a table behind it
UNWEIGHTED = frozenset([INTEGER_ADD, INTEGER_MAX_POOL, INTEGER_GLOBAL_AVERAGE_POOL, INTEGER_TABLE, QUANTIZE_INPUT])
MAX_TERMS = 65536  # of a sum: 65536 * 255 * 128 is below 2^31
EXACT_SUM = 2**24  # up to here float32 holds every integer

Codes = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Signed = npt.NDArray[np.int8]


def check_integer_weight(
    where: str,
    indices: Codes,
    codebook: Signed,
    scale: Floats,
    bias: Floats,
    bits: int,
    weight_shape: Sequence[int],
    group: int = 1,
) -> None:
    """Raises ModelError unless the operands of one integer weight fit together; ``where`` names the node.

    The rules are those of docs/packed-format.md, section 6; the C++ library checks the same ones.
    """
    if not 1 <= bits <= 8:
        raise ModelError(f"{where}: bits is {bits}, wanted 1 to 8")
    if len(weight_shape) < 2 or min(weight_shape) < 1 or group < 1 or weight_shape[0] % group:
        raise ModelError(f"{where}: weight_shape {list(weight_shape)} or group {group} is no weight's")
    if math.prod(weight_shape[1:]) > MAX_TERMS:
        raise ModelError(f"{where}: {math.prod(weight_shape[1:])} products in a sum, at most {MAX_TERMS} fit int32")
    outputs, wanted = weight_shape[0], tiled_size(weight_shape, group, bits)
    if indices.dtype != np.uint8 or indices.shape != (wanted,):
        raise ModelError(
            f"{where}: {bits}-bit tiles of weight {list(weight_shape)} are uint8 [{wanted}], "
            f"found {indices.dtype} {list(indices.shape)}. Was the file cut, or packed by another version?"
        )
    groups = codebook.shape[0]
    fits = codebook.shape == (0,) or (codebook.shape == (groups, 2**bits) and groups and not outputs % groups)
    if codebook.dtype != np.int8 or not fits:
        raise ModelError(
            f"{where}: codebook is {codebook.dtype} {list(codebook.shape)}, wanted int8 [0] (absent) or "
            f"[groups, {2**bits}], groups a divisor of {outputs}"
        )
    for name, operand in (("scale", scale), ("bias", bias)):
        if operand.shape != (outputs,) or not np.isfinite(operand).all():
            raise ModelError(f"{where}: {name} is {list(operand.shape)}, wanted {outputs} finite floats")


def decode_integer_weight(
    indices: Codes, codebook: Signed, bits: int, weight_shape: Sequence[int], group: int = 1
) -> Signed:
    """The weight that tiled ``indices`` stand for: int8 [*weight_shape]."""
    codes = unpack_tiles(indices, weight_shape, group, bits)
    if not codebook.size:
        uniform: Signed = (codes.astype(np.int16) - 2 ** (bits - 1)).astype(np.int8)
        return uniform
    by_group = codes.reshape(len(codebook), -1).astype(np.intp)
    weight: Signed = np.take_along_axis(codebook, by_group, axis=1)
    return weight.reshape(tuple(weight_shape))


def sum_matmul(x: Codes, weight: Signed, x_zero_point: int) -> Sums:
    """Exact sums [..., n] of the codes ``x`` [..., k] times ``weight`` [n, k]."""
    sums = (x.astype(np.float64) - x_zero_point) @ weight.astype(np.float64).T  # exact: below 2^53
    return sums.astype(np.int64)


def sum_conv(
    x: Codes,
    weight: Signed,
    x_zero_point: int,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Sums:
    """Exact sums [batch, *spatial, n] of the convolution of codes with a weight.

    ``x`` is [batch, *spatial, channels], padded with the zero point, ``weight`` [n, channels / group, *kernel].
    """
    shifted = np.moveaxis(x.astype(np.float64) - x_zero_point, -1, 1)
    sums = convolve(shifted, weight.astype(np.float64), strides, pads, dilations, group)
    return np.moveaxis(sums, 1, -1).astype(np.int64)


def scale_sums(sums: Sums, scale: Floats, bias: Floats) -> Floats:
    """``sums`` [..., n] * ``scale`` + ``bias`` in float32, each operation rounded by itself."""
    return sums.astype(np.float32) * scale + bias


def add_residual(values: Floats, residual: Codes, residual_scale: float) -> Floats:
    """``values`` plus the codes ``residual`` of the same shape times ``residual_scale``, in float32."""
    return values + residual.astype(np.float32) * np.float32(residual_scale)


def to_codes(values: Floats, y_min: int, y_max: int) -> Codes:
    """The codes of ``values``: rounded half to even, cut to [y_min, y_max]; NaN becomes y_min."""
    cut = np.clip(np.rint(values), np.float32(y_min), np.float32(y_max))
    return np.where(np.isnan(values), np.float32(y_min), cut).astype(np.uint8)


def integer_add(a: Codes, b: Codes, *, a_scale: float, b_scale: float, bias: float, y_min: int, y_max: int) -> Codes:
    """The codes of (a * a_scale + b * b_scale) + bias."""
    scaled = a.astype(np.float32) * np.float32(a_scale) + b.astype(np.float32) * np.float32(b_scale)
    return to_codes(scaled + np.float32(bias), y_min, y_max)


def integer_max_pool(x: Codes, *, kernel_shape: Sequence[int], strides: Sequence[int], pads: Sequence[int]) -> Codes:
    """The largest code of each window of ``x`` [batch, *spatial, channels]; pads are never the largest."""
    spatial = len(kernel_shape)
    padding = [(0, 0), *zip(pads[:spatial], pads[spatial:], strict=True), (0, 0)]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, padding), tuple(kernel_shape), axis=tuple(range(1, 1 + spatial))
    )
    chosen = windows[(slice(None), *(slice(None, None, stride) for stride in strides))]
    result: Codes = chosen.max(axis=tuple(range(-spatial, 0)))
    return result


def integer_global_average_pool(
    x: Codes, *, scale: float, bias: float, y_min: int, y_max: int, keepdims: int = 1
) -> Codes:
    """The codes of the mean over all spatial axes of ``x`` [batch, *spatial, channels].

    [batch, 1..., channels], or [batch, channels] where ``keepdims`` is 0.
    """
    axes = tuple(range(1, x.ndim - 1))
    sums = x.sum(axis=axes, keepdims=bool(keepdims), dtype=np.int64).astype(np.float32)
    means = sums / np.float32(math.prod(x.shape[1:-1]))
    return to_codes(means * np.float32(scale) + np.float32(bias), y_min, y_max)


def quantize_input(x: Floats, scale: Floats, bias: Floats, *, y_min: int, y_max: int) -> Codes:
    """The codes [batch, *spatial, channels] of ``x`` [batch, channels, *spatial]; ``scale`` and ``bias`` [channels]."""
    return to_codes(np.moveaxis(x, 1, -1) * scale + bias, y_min, y_max)


def largest_sums(weight: Signed, x_zero_point: int, x_bits: int) -> npt.NDArray[np.int64]:
    """What no partial sum of an output can exceed in size, in whatever order it is taken: int64 [n]."""
    reach = max(x_zero_point, 2**x_bits - 1 - x_zero_point)
    totals: Sums = np.abs(weight.reshape(len(weight), -1).astype(np.int64)).sum(axis=1) * reach
    return totals
