"""Packs the indices of integer operators in the order in which kernels read them (docs/packed-format.md, section 7)."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from qcompile.errors import QCompileError

TILE = 256  # indices: 16 outputs by 16 inputs
LANES = 16
Bytes = npt.NDArray[np.uint8]


def is_depthwise(weight_shape: Sequence[int], group: int) -> bool:
    """Whether each group of the convolution reads one channel."""
    return group > 1 and weight_shape[1] == 1


def tiled_size(weight_shape: Sequence[int], group: int, bits: int) -> int:
    """The bytes of the packed indices of a weight, shaped as ONNX shapes it."""
    return _tiles(weight_shape, group) * TILE * bits // 8


def pack_tiles(indices: Bytes, group: int, bits: int) -> Bytes:
    """Packs ``indices``, uint8 in ONNX's shape [n, channels / group, *kernel] or [n, k], into uint8 [tiled_size].

    Raises QCompileError if an index does not fit ``bits`` bits.
    """
    if indices.size and int(indices.max()) >> bits:
        raise QCompileError(f"pack_tiles: {int(indices.max())} does not fit {bits} bits")
    ordered = _in_kernel_order(indices, group)
    tiles = np.pad(ordered, (0, -ordered.size % TILE)).reshape(-1, TILE)
    planes = [_pack_plane(tiles >> low & (2**width - 1), width) for width, low in _planes(bits)]
    return np.concatenate(planes, axis=1).reshape(-1)


def unpack_tiles(packed: Bytes, weight_shape: Sequence[int], group: int, bits: int) -> Bytes:
    """The indices that ``pack_tiles`` packed: uint8 [*weight_shape].

    Raises QCompileError if ``packed`` has another size than ``tiled_size`` says.
    """
    wanted = tiled_size(weight_shape, group, bits)
    if packed.dtype != np.uint8 or packed.shape != (wanted,):
        raise QCompileError(
            f"unpack_tiles: {bits}-bit tiles of weight {list(weight_shape)} take uint8 [{wanted}], "
            f"found {packed.dtype} {list(packed.shape)}"
        )
    tiles = packed.reshape(-1, TILE * bits // 8)
    codes = np.zeros((len(tiles), TILE), np.uint8)
    first = 0
    for width, low in _planes(bits):
        size = TILE * width // 8
        codes |= _unpack_plane(tiles[:, first : first + size], width) << low
        first += size
    return _in_onnx_order(codes.reshape(-1), weight_shape, group)


def _planes(bits: int) -> Iterator[tuple[int, int]]:
    """The width of each plane and the lowest bit that it holds."""
    low = 0
    for width in (8, 4, 2, 1):
        if bits & width:
            yield width, low
            low += width


def _pack_plane(codes: Bytes, width: int) -> Bytes:
    """The bytes [tiles, 32 * width] of ``codes`` [tiles, 256] of ``width`` bits."""
    parts = codes.reshape(len(codes), 8 // width, -1)
    shifts = np.arange(0, 8, width, dtype=np.uint8)[:, None]
    packed: Bytes = np.bitwise_or.reduce(parts << shifts, axis=1)
    return packed


def _unpack_plane(plane: Bytes, width: int) -> Bytes:
    shifts = np.arange(0, 8, width, dtype=np.uint8)[:, None]
    codes: Bytes = plane[:, None, :] >> shifts & (2**width - 1)
    return codes.reshape(len(plane), TILE)


def _in_kernel_order(indices: Bytes, group: int) -> Bytes:
    """``indices`` flat in the order of kernels, padded with zeros but for the last tile."""
    last = np.moveaxis(indices, 1, -1)  # [n, *kernel, channels / group]
    if is_depthwise(indices.shape, group):
        return np.moveaxis(last, 0, -1).reshape(-1)
    rows = last.reshape(group, len(indices) // group, -1)
    rows = np.pad(rows, [(0, 0), (0, -rows.shape[1] % LANES), (0, -rows.shape[2] % LANES)])
    blocks = rows.reshape(group, rows.shape[1] // LANES, LANES, rows.shape[2] // 4, 4)
    return blocks.swapaxes(2, 3).reshape(-1)


def _in_onnx_order(codes: Bytes, weight_shape: Sequence[int], group: int) -> Bytes:
    """The inverse of ``_in_kernel_order``: ``codes`` may have padding at the end."""
    n, channels, *kernel = weight_shape
    if is_depthwise(weight_shape, group):
        return np.moveaxis(codes[: math.prod(weight_shape)].reshape(*kernel, n), -1, 0).reshape(weight_shape)
    outputs, k = _padded(n // group), _padded(math.prod(weight_shape[1:]))
    blocks = codes.reshape(group, outputs // LANES, k // 4, LANES, 4).swapaxes(2, 3)
    rows = blocks.reshape(group, outputs, k)[:, : n // group, : math.prod(weight_shape[1:])]
    return np.ascontiguousarray(np.moveaxis(rows.reshape(n, *kernel, channels), -1, 1))


def _tiles(weight_shape: Sequence[int], group: int) -> int:
    if is_depthwise(weight_shape, group):
        return -(-math.prod(weight_shape) // TILE)
    return group * _padded(weight_shape[0] // group) * _padded(math.prod(weight_shape[1:])) // TILE


def _padded(size: int) -> int:
    return -(-size // LANES) * LANES
