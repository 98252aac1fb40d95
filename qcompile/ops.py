"""What the operators of domain ``qcompile`` mean, in numpy: the reference of the function bodies and the kernels.

An operand that may be absent (``scale``, ``bias``) is a tensor of no elements then, so that one function body
of standard operators serves both cases. docs/packed-format.md is the contract in words.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qcompile.errors import ModelError
from qcompile.packing import packed_size, unpack_bits

DOMAIN = "qcompile"
DOMAIN_VERSION = 1  # for ever: later versions of the library only add optional attributes
FORMAT_VERSION = 1
CODEBOOK_MATMUL = "CodebookMatMul"
CODEBOOK_CONV = "CodebookConv"
CODEBOOK_MATMUL_BFLOAT16 = "CodebookMatMulBfloat16"  # their meaning: bfloat16_ops.py
CODEBOOK_CONV_BFLOAT16 = "CodebookConvBfloat16"
OPERANDS = ("x", "indices", "codebook", "scale", "bias")

Floats = npt.NDArray[np.floating]
Bytes = npt.NDArray[np.uint8]


def check_packed_weight(
    where: str,
    indices: Bytes,
    codebook: Floats,
    scale: Floats,
    bias: Floats,
    bits: int,
    weight_shape: Sequence[int],
) -> None:
    """Raises ModelError unless the operands of one packed weight fit together; ``where`` names the node.

    The rules are those of docs/packed-format.md, section 3; the C++ library checks the same ones.
    """
    if not 1 <= bits <= 8:
        raise ModelError(f"{where}: bits is {bits}, wanted 1 to 8")
    if len(weight_shape) < 2 or min(weight_shape) < 1:
        raise ModelError(f"{where}: weight_shape is {list(weight_shape)}, wanted 2 or more sizes, each at least 1")
    outputs, wanted = weight_shape[0], packed_size(math.prod(weight_shape), bits)
    if indices.dtype != np.uint8 or indices.shape != (wanted,):
        raise ModelError(
            f"{where}: {bits}-bit indices of weight {list(weight_shape)} are uint8 [{wanted}], "
            f"found {indices.dtype} {list(indices.shape)}. Was the file cut, or packed by another version?"
        )
    if codebook.ndim != 2 or codebook.shape[1] != 2**bits or not codebook.shape[0] or outputs % codebook.shape[0]:
        raise ModelError(
            f"{where}: codebook is {list(codebook.shape)}, wanted [groups, {2**bits}], groups a divisor of {outputs}"
        )
    for name, operand in (("scale", scale), ("bias", bias)):
        if operand.shape not in ((0,), (outputs,)):
            raise ModelError(f"{where}: {name} is {list(operand.shape)}, wanted [0] (absent) or [{outputs}]")
    for name, operand in (("codebook", codebook), ("scale", scale), ("bias", bias)):
        if not np.isfinite(operand).all():
            raise ModelError(f"{where}: {name} has a value that is not finite")


def decode_weight(indices: Bytes, codebook: Floats, bits: int, weight_shape: Sequence[int]) -> Floats:
    """The weight that packed ``indices`` stand for: ``codebook``'s dtype, shaped ``weight_shape``.

    ``codebook`` is [groups, 2**bits]: group g serves output channels g * n / groups and on, n = weight_shape[0].
    """
    groups = codebook.shape[0]
    by_group = unpack_bits(indices, bits, math.prod(weight_shape)).reshape(groups, -1)
    return np.take_along_axis(codebook, by_group.astype(np.intp), axis=1).reshape(tuple(weight_shape))


def decode_scaled(
    indices: Bytes, codebook: Floats, scale: Floats, bias: Floats, bits: int, weight_shape: Sequence[int]
) -> Floats:
    """``weight * scale + bias`` of a weight [rows, k], where both are one number for each row, or [0] where absent."""
    weight = decode_weight(indices, codebook, bits, weight_shape)
    weight = weight * scale[:, None] if scale.size else weight
    return weight + bias[:, None] if bias.size else weight


def codebook_matmul(
    x: Floats,
    indices: Bytes,
    codebook: Floats,
    scale: Floats,
    bias: Floats,
    *,
    bits: int,
    weight_shape: Sequence[int],
) -> Floats:
    """``x @ weight.T * scale + bias``, accumulated in float64, in the dtype of ``x``.

    ``x`` is [..., k] and ``weight_shape`` [n, k]; the result is [..., n]. ``scale`` and ``bias`` are [n], or [0]
    where absent.
    """
    weight = decode_weight(indices, codebook, bits, weight_shape)
    product = x.astype(np.float64) @ weight.astype(np.float64).T
    return _scale_and_shift(product, scale, bias).astype(x.dtype)


def codebook_conv(
    x: Floats,
    indices: Bytes,
    codebook: Floats,
    scale: Floats,
    bias: Floats,
    *,
    bits: int,
    weight_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Floats:
    """The convolution of ``x`` with the weight, times ``scale``, plus ``bias``, in the dtype of ``x``.

    ``x`` is [batch, channels, *spatial] with one or two spatial axes, ``weight_shape`` is
    [n, channels / group, *kernel]; ``pads`` holds the begins, then the ends, as in ONNX.
    """
    weight = decode_weight(indices, codebook, bits, weight_shape).astype(np.float64)
    product = convolve(x.astype(np.float64), weight, strides, pads, dilations, group)
    return _scale_and_shift(np.moveaxis(product, 1, -1), scale, bias, channels_last=True).astype(x.dtype)


def convolve(
    x: Floats,
    weight: Floats,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Floats:
    """The plain ONNX convolution of ``x`` [batch, c, *spatial] with ``weight`` [n, c / group, *kernel], NCHW."""
    spatial = len(strides)
    padding = [(0, 0), (0, 0), *zip(pads[:spatial], pads[spatial:], strict=True)]
    reach = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations, strict=True)]
    axes = tuple(range(2, 2 + spatial))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, padding), reach, axis=axes)
    chosen = [slice(None, None, stride) for stride in strides]  # which windows
    inside = [slice(None, None, step) for step in dilations]  # which elements of a window
    windows = windows[(slice(None), slice(None), *chosen, *inside)]
    by_group = zip(np.split(windows, group, axis=1), np.split(weight, group), strict=True)
    kernel_axes = tuple(range(-spatial, 0))
    products = [np.tensordot(w, k, axes=((1, *kernel_axes), (1, *kernel_axes))) for w, k in by_group]
    return np.moveaxis(np.concatenate(products, axis=-1), -1, 1)


def _scale_and_shift(product: Floats, scale: Floats, bias: Floats, channels_last: bool = False) -> Floats:
    """``product`` [..., n] * ``scale`` + ``bias``; with ``channels_last`` the channels move back to axis 1."""
    result = product * (scale if scale.size else 1.0) + (bias if bias.size else 0.0)
    return np.moveaxis(result, -1, 1) if channels_last else result
