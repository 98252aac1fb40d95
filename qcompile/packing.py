"""Packs unsigned integers of 1 to 8 bits into bytes and back (docs/packed-format.md, section 2)."""

import numpy as np
import numpy.typing as npt

from qcompile.errors import QCompileError

MAX_BITS = 8

Bytes = npt.NDArray[np.uint8]


def packed_size(count: int, bits: int) -> int:
    """The bytes that ``count`` values of ``bits`` bits take: ceil(count * bits / 8)."""
    return (count * bits + 7) // 8


def pack_bits(values: Bytes, bits: int) -> Bytes:
    """Packs ``values`` into one stream of bytes, lowest bit first.

    ``values`` is uint8 of any shape, read in C order, each below 2**bits; the result is uint8
    [packed_size(values.size, bits)], its last byte padded with zeros.

    Raises QCompileError if ``bits`` is not 1 to 8 or a value does not fit.
    """
    _check_bits(bits)
    values = np.asarray(values)
    if values.dtype != np.uint8:
        raise QCompileError(f"pack_bits: values are {values.dtype}, wanted uint8")
    if values.size and int(values.max()) >> bits:
        raise QCompileError(f"pack_bits: {int(values.max())} does not fit {bits} bits")
    planes = np.unpackbits(values.reshape(-1, 1), axis=1, count=bits, bitorder="little")
    return np.packbits(planes.reshape(-1), bitorder="little")


def unpack_bits(packed: Bytes, bits: int, count: int) -> Bytes:
    """The first ``count`` values of ``bits`` bits in ``packed``: uint8 [count], the inverse of ``pack_bits``.

    Raises QCompileError if ``packed`` has not exactly packed_size(count, bits) bytes.
    """
    _check_bits(bits)
    wanted = packed_size(count, bits)
    if packed.dtype != np.uint8 or packed.shape != (wanted,):
        raise QCompileError(
            f"unpack_bits: {count} values of {bits} bits take uint8 [{wanted}], "
            f"found {packed.dtype} {list(packed.shape)}"
        )
    planes = np.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    return np.packbits(planes, axis=1, bitorder="little").reshape(count)


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= MAX_BITS:
        raise QCompileError(f"bits is {bits}, wanted 1 to {MAX_BITS}")
