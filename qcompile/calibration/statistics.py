"""What calibration knows after some batches: all that it keeps of them."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcompile.calibration.histogram import EMPTY, Histogram, histogram_of
from qcompile.errors import DataError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Statistics:
    """A histogram for each tensor by name, of ``batches`` batches; ``finished`` when these were all."""

    histograms: dict[str, Histogram]
    batches: int = 0
    finished: bool = False

    def with_batch(self, tensors: Mapping[str, Array]) -> "Statistics":
        """These and one more batch of ``tensors``, which are of a float type and finite; else DataError is raised."""
        number = self.batches + 1
        histograms = {
            name: histogram.merged(histogram_of(as_floats(name, number, tensors[name])))
            for name, histogram in self.histograms.items()
        }
        return Statistics(histograms, number)

    def at_the_end(self) -> "Statistics":
        """These, of all batches; raises DataError if there is a tensor without any value."""
        if not self.batches:
            raise DataError("the reader gave no batch: calibration needs at least one")
        empty = [name for name, histogram in self.histograms.items() if not histogram.total]
        if empty:
            raise DataError(f"tensor {empty[0]} had no value in any of {self.batches} batches: nothing to calibrate")
        return dataclasses.replace(self, finished=True)


def no_statistics(names: Iterable[str]) -> Statistics:
    """The statistics before the first batch."""
    return Statistics(dict.fromkeys(names, EMPTY))


def as_floats(name: str, batch: int, values: Array) -> npt.NDArray[np.float32]:
    """The values of tensor ``name`` in batch number ``batch``; raises DataError if they are no finite floats."""
    if not np.issubdtype(values.dtype, np.floating):
        raise DataError(f"tensor {name} is {values.dtype}: only float tensors are calibrated")
    with np.errstate(over="ignore"):  # a double beyond float32 is infinite from here on
        floats = values.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise DataError(f"tensor {name} has NaN or infinity in batch {batch}, counted from 1. Are the inputs scaled?")
    return floats
