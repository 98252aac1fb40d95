"""Where sample inputs come from, a batch at a time."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from qcompile.errors import DataError

Array = npt.NDArray[Any]


class Reader(Protocol):
    """What onnxruntime's CalibrationDataReader is, too."""

    def get_next(self) -> dict[str, Array] | None:
        """The next batch by input name; None after the last one."""


class ArrayReader:
    """Batches of ``batch`` rows from arrays [rows, ...] by input name; the last one may be smaller.

    Raises DataError if the arrays differ in rows, ValueError if ``batch`` is not at least 1.
    """

    def __init__(self, inputs: Mapping[str, Array], batch: int) -> None:
        if batch < 1:
            raise ValueError(f"batches of {batch}: wanted at least 1")
        self._inputs = {name: np.asarray(array) for name, array in inputs.items()}
        rows = {array.shape[:1] for array in self._inputs.values()}
        if len(rows) != 1 or () in rows:
            shapes = {name: list(array.shape) for name, array in self._inputs.items()}
            raise DataError(f"inputs must be arrays of one number of rows; found {shapes or 'none'}")
        self._rows, self._batch, self._start = int(rows.pop()[0]), batch, 0

    def get_next(self) -> dict[str, Array] | None:
        """The next batch; None after the last one."""
        start, self._start = self._start, self._start + self._batch
        if start >= self._rows:
            return None
        return {name: array[start : self._start] for name, array in self._inputs.items()}


class BatchReader:
    """The given batches, one after the other."""

    def __init__(self, batches: Iterable[dict[str, Array]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Array] | None:
        """The next batch; None after the last one."""
        return next(self._batches, None)


class FirstBatch:
    """The batches of ``reader``; ``batch`` is the first of them once it was read, None before."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.batch: dict[str, Array] | None = None

    def get_next(self) -> dict[str, Array] | None:
        """The next batch; None after the last one."""
        found = self._reader.get_next()
        if self.batch is None:
            self.batch = found
        return found


def read_all(reader: Reader) -> tuple[dict[str, Array], ...]:
    """All batches that ``reader`` has left, for who needs them more than once; those of ArrayReader are views."""
    return tuple(iter(reader.get_next, None))
