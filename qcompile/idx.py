"""Reads IDX files, the format of MNIST: a magic number, the sizes (big-endian int32), then one byte a value."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qcompile.errors import DataError

_IMAGES_MAGIC = 0x0803  # unsigned bytes, three sizes
_LABELS_MAGIC = 0x0801  # unsigned bytes, one size
_LARGEST_DEFLATE_RATIO = 1032  # no .gz expands further
_CHUNK_BYTES = 1 << 20
_AGAIN = "download the file again"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


Bytes = npt.NDArray[np.uint8]


def read_images(path: Path, height: int, width: int) -> Bytes:
    """The images in ``path``: uint8 [count, height, width]. A name that ends in .gz is unpacked.

    Raises DataError if the file is not a complete IDX file of images of that size.
    """
    images = _read(path, _IMAGES_MAGIC, "images")
    if images.shape[1:] != (height, width):
        found = " x ".join(map(str, images.shape[1:]))
        raise DataError(f"{path}: found images of {found} pixels, wanted {height} x {width}; is it another data set?")
    return images


def read_labels(path: Path, classes: int) -> Bytes:
    """The labels in ``path``: uint8 [count], each below ``classes``.

    Raises DataError if the file is not a complete IDX file of such labels.
    """
    labels = _read(path, _LABELS_MAGIC, "labels")
    if int(labels.max()) >= classes:
        place = int((labels >= classes).argmax())
        raise DataError(f"{path}: label {place} is {labels[place]}, wanted 0 to {classes - 1}; {_AGAIN}")
    return labels


def _read(path: Path, magic: int, what: str) -> Bytes:
    if not path.is_file():
        raise DataError(f"{path}: found no plain file; {_AGAIN}")
    size = path.stat().st_size
    try:
        if path.suffix != ".gz":
            with path.open("rb") as file:
                return _read_stream(file, path, magic, what, limit=size)
        with gzip.open(path, "rb") as unpacked:
            return _read_stream(unpacked, path, magic, what, limit=size * _LARGEST_DEFLATE_RATIO)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from error


def _read_stream(file: _Readable, path: Path, magic: int, what: str, limit: int) -> Bytes:
    """The array in ``file``, which yields at most ``limit`` bytes."""
    sizes = _read_header(file, path, magic, what)
    wanted = math.prod(sizes)
    if wanted == 0 or wanted > limit:
        raise DataError(f"{path}: the header promises {wanted} bytes of {what}, the file has fewer or none; {_AGAIN}")
    content = _read_at_most(file, wanted + 1)
    if len(content) != wanted:
        more = "more" if len(content) > wanted else len(content)
        raise DataError(f"{path}: found {more} bytes of {what} after the header, wanted {wanted}; {_AGAIN}")
    return np.frombuffer(content, np.uint8).reshape(sizes)


def _read_at_most(file: _Readable, count: int) -> bytes:
    """Memory grows with what the file really holds, whatever its header says."""
    content = bytearray()
    while len(content) < count and (chunk := file.read(min(_CHUNK_BYTES, count - len(content)))):
        content += chunk
    return bytes(content)


def _read_header(file: _Readable, path: Path, magic: int, what: str) -> tuple[int, ...]:
    rank = magic & 0xFF
    header = file.read(4 * (rank + 1))
    if len(header) != 4 * (rank + 1):
        raise DataError(f"{path}: found {len(header)} bytes, wanted an IDX header of {4 * (rank + 1)}; {_AGAIN}")
    found, *sizes = struct.unpack(f">{rank + 1}I", header)
    if found != magic:
        raise DataError(
            f"{path}: found magic number {found:#010x}, wanted {magic:#010x} for {what}; is it another file?"
        )
    return tuple(sizes)
