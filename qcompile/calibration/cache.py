"""The file that keeps statistics, so that calibration goes on where it was stopped: an .npz without pickle."""

import hashlib
import io
import json
import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from qcompile.calibration.histogram import BINS, Histogram
from qcompile.calibration.statistics import Statistics
from qcompile.errors import DataError, QCompileError
from qcompile.files import write_atomically

FORMAT = "qcompile calibration 1"
REMEDY = "Delete it, or name another file."


@dataclass(frozen=True)
class Cache:
    """The statistics of one model's tensors in the file ``path``; ``model`` is the model's digest."""

    path: pathlib.Path
    model: str
    tensors: tuple[str, ...]

    def read(self) -> Statistics | None:
        """The statistics in the file; None if there is no file.

        Raises DataError if it is damaged, or is of another model or other tensors.
        """
        if not self.path.exists():
            if not self.path.parent.is_dir():
                raise DataError(f"{self.path}: there is no folder {self.path.parent} for the cache. Make it first.")
            return None
        if not self.path.is_file():
            raise DataError(f"{self.path}: the cache is no regular file. Name another file.")
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            head = _checked_head(arrays)
        except Exception as error:  # a damaged archive makes zipfile, zlib and numpy raise nearly anything
            raise DataError(f"{self.path}: not a calibration cache, or damaged: {error}. {REMEDY}") from error
        self._check_same(head)
        return Statistics(_histograms(head["tensors"], arrays, self.tensors), head["batches"], head["finished"])

    def write(self, statistics: Statistics) -> None:
        """Writes ``statistics`` whole or not at all; raises QCompileError if that cannot be done."""
        head = {
            "format": FORMAT,
            "model": self.model,
            "tensors": list(statistics.histograms),
            "batches": statistics.batches,
            "finished": statistics.finished,
        }
        arrays = _arrays(list(statistics.histograms.values()))
        arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
        members: dict[str, Any] = {**arrays, "digest": _digest(arrays)}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **members)
        try:
            write_atomically(self.path, buffer.getvalue())
        except OSError as error:
            raise QCompileError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _check_same(self, head: dict[str, Any]) -> None:
        if head["model"] != self.model:
            raise DataError(f"{self.path}: a calibration cache of another model. {REMEDY}")
        if set(head["tensors"]) != set(self.tensors):
            differing = ", ".join(sorted(set(head["tensors"]) ^ set(self.tensors))[:5])
            raise DataError(f"{self.path}: a calibration cache of other tensors; only one has {differing}. {REMEDY}")


def model_digest(model: onnx.ModelProto) -> str:
    """Tells models apart, weights included."""
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def _arrays(histograms: list[Histogram]) -> dict[str, npt.NDArray[Any]]:
    return {
        "low": np.array([h.low for h in histograms], np.float64),
        "high": np.array([h.high for h in histograms], np.float64),
        "zeros": np.array([h.zeros for h in histograms], np.int64),
        "first": np.array([h.first for h in histograms], np.int64),
        "counts": np.stack([h.counts for h in histograms]),
    }


def _histograms(
    stored: list[str], arrays: dict[str, npt.NDArray[Any]], wanted: tuple[str, ...]
) -> dict[str, Histogram]:
    columns = [arrays[key].tolist() for key in ("low", "high", "zeros", "first")]
    rows = zip(*columns, arrays["counts"], strict=True)
    found = {name: Histogram(*row) for name, row in zip(stored, rows, strict=True)}
    return {name: found[name] for name in wanted}


def _checked_head(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """What the file says of itself; raises anything where it is not as ``Cache.write`` made it."""
    digest = arrays.pop("digest")
    if not np.array_equal(digest, _digest(arrays)):
        raise ValueError("its digest is wrong")
    head: dict[str, Any] = json.loads(arrays["head"].tobytes())
    if head["format"] != FORMAT or arrays["counts"].shape != (len(head["tensors"]), 2, BINS):
        raise ValueError("it is of another version")
    return head


def _digest(arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Of all that a cache holds: the zip archive's own checksums leave out names."""
    whole = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        whole.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        whole.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(whole.digest(), np.uint8)
