"""A constant of a model that stays in its file until it is looked at: what is read again costs no memory in between."""

import math
import mmap
import os
import pathlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from qcompile.errors import ModelError


@dataclass(frozen=True)
class FilePart:
    """``length`` bytes of a file from ``offset`` on, and the file that was found there: it must stay the same."""

    path: pathlib.Path
    offset: int
    length: int
    found: tuple[int, ...]

    @classmethod
    def of(cls, where: str, path: pathlib.Path, offset: int, length: int) -> "FilePart":
        """The part of the file ``path`` as it is now; ``where`` begins the messages.

        Raises ModelError if it is no regular file, cannot be opened, or ends before the part does.
        """
        whole = cls.whole(path)
        there = max(0, min(length, whole.length - offset))
        if there != length:
            raise ModelError(f"{where} ends after {there} of {length} bytes. Was {path.name} cut?")
        return cls(path, offset, length, whole.found)

    @classmethod
    def whole(cls, path: pathlib.Path) -> "FilePart":
        """All of the file ``path``. Raises ModelError if it is no regular file, or cannot be opened."""
        with open_regular(path) as descriptor:
            found = os.fstat(descriptor)
        return cls(path, 0, found.st_size, _identity(found))

    def map(self) -> tuple[mmap.mmap, int]:
        """The part in memory that is read when it is looked at, and given back with the map; where it begins there.

        Raises ModelError if the file is another one by now.
        """
        with open_regular(self.path) as descriptor:
            if _identity(os.fstat(descriptor)) != self.found:
                raise ModelError(f"{self.path}: the file was changed while it was read. Compile again.")
            start = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
            skipped = self.offset - start
            return mmap.mmap(descriptor, self.length + skipped, access=mmap.ACCESS_READ, offset=start), skipped

    def read(self) -> bytes:
        """The bytes. Raises ModelError if the file is another one by now."""
        mapped, skipped = self.map()
        with mapped:
            return mapped[skipped:]


def file_tensor(name: str, part: FilePart, dtype: ir.DataType, shape: ir.Shape, doc_string: str = "") -> ir.LazyTensor:
    """The tensor ``name`` of ``shape`` whose numbers, of a type of whole bytes, are ``part``, little end first.

    They are mapped anew each time they are asked for: who keeps the array keeps the memory. It cannot be written to.
    Asking raises ModelError if the file is another one by then.
    """

    def numbers() -> ir.TensorProtocol:
        mapped, skipped = part.map()
        found = np.frombuffer(mapped, dtype.numpy(), math.prod(shape.numpy()), skipped).reshape(shape.numpy())
        return ir.tensor(found if found.flags.aligned else np.array(found), dtype=dtype)

    return ir.LazyTensor(numbers, dtype, shape, name=name, doc_string=doc_string or None)


@contextmanager
def open_regular(path: pathlib.Path) -> Iterator[int]:
    """The regular file ``path``, opened. Raises ModelError if it cannot be, or is a pipe or device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not make us wait for its writer
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ModelError(f"{path}: not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
