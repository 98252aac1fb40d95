"""What layers read in the float network and in the one that is rounded so far, run on the same samples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from qcompile.calibration.collecting import observer
from qcompile.calibration.statistics import as_floats
from qcompile.rounding.columns import POSITIONS, Convolution, Dense
from qcompile.rounding.moments import Moments, MomentSums

Batch = Mapping[str, npt.NDArray[Any]]
Columns = Convolution | Dense
See = Callable[[list[str]], Iterator[Mapping[str, npt.NDArray[Any]]]]
"""Gives the tensors of some names, of one batch after the other."""

MOST_NUMBERS = 1 << 23  # in the columns that are added at once


def collect_moments(layers: Sequence[tuple[str, Columns]], networks: Sequence[See]) -> list[Moments | None]:
    """The moments of each of ``layers``, the tensor that it reads and how, over all batches.

    ``networks`` are the float one and the one that is rounded so far, or the float one alone where they are the same.
    None where a layer read nothing.

    Raises QCompileError if a model does not run or a tensor is not finite.
    """
    names = list(dict.fromkeys(name for name, _ in layers))
    sums = [MomentSums() for _ in layers]
    for number, seen in enumerate(zip(*(see(names) for see in networks), strict=True), 1):
        for total, (name, columns) in zip(sums, layers, strict=True):
            tensors = [as_floats(name, number, tensors[name]) for tensors in seen]
            _add(total, columns, tensors[0], tensors[-1], number)
    return [total.moments() for total in sums]


def seen_by(model: onnx.ModelProto, batches: Sequence[Batch]) -> See:
    """How ``model`` is looked at: all of it runs on ``batches``."""
    return lambda names: map(observer(model, names), batches)


def _add(
    total: MomentSums, columns: Columns, before: npt.NDArray[np.float32], after: npt.NDArray[np.float32], number: int
) -> None:
    """Adds a batch to ``total``, a few samples at a time: columns need more memory than the tensor they are of."""
    if not before.size:
        return
    most = max(1, MOST_NUMBERS // (POSITIONS * columns.width(before.shape)))
    for start in range(0, len(before), most):
        part = slice(start, start + most)
        seed = [number, start]  # the same positions in both
        x = columns.columns(before[part], np.random.default_rng(seed))
        y = x if after is before else columns.columns(after[part], np.random.default_rng(seed))
        total.add(x, y)
