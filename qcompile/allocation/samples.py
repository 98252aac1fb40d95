"""Sample inputs cut into those that rounding sees and those that judge what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from qcompile.errors import DataError

Batch = Mapping[str, npt.NDArray[Any]]


def hold_out(
    batches: Sequence[Batch], share: float, *, whole: bool = False
) -> tuple[tuple[Batch, ...], tuple[Batch, ...]]:
    """``batches`` without their last samples, and these: ``share`` of all, 0 to 1, at least one on either side.

    With ``whole`` no batch is cut: then it is ``share`` of the batches. Raises DataError where there are too few.
    """
    total = count(batches)
    wanted = min(max(round(total * share), 1), total - 1)
    kept, held, have = list(batches), list[Batch](), 0
    while kept and have < wanted:
        last = kept.pop()
        size, cut = _rows(last), 0
        if have + size > wanted and _can_be_cut(last) and not whole:
            cut = have + size - wanted
            kept.append(_part(last, slice(0, cut)))
        held.insert(0, _part(last, slice(cut, size)) if cut else last)
        have += size - cut
    if not kept or not held:
        unit = "batches, as the model takes them," if whole else "samples"
        raise DataError(f"{len(batches) if whole else total} {unit} are too few to hold some out: give at least two")
    return tuple(kept), tuple(held)


def first_samples(batches: Sequence[Batch], most: int, *, whole: bool = False) -> tuple[Batch, ...]:
    """The first ``most`` samples of ``batches``, at least one batch of them; with ``whole`` no batch is cut."""
    found: list[Batch] = []
    for batch in batches:
        free = most - count(found)
        if free < _rows(batch) and found and (whole or free <= 0):
            break
        found.append(
            _part(batch, slice(0, free)) if free < _rows(batch) and _can_be_cut(batch) and not whole else batch
        )
    return tuple(found)


def count(batches: Iterable[Batch]) -> int:
    """How many samples ``batches`` have."""
    return sum(map(_rows, batches))


def _rows(batch: Batch) -> int:
    return max((array.shape[0] for array in batch.values() if array.ndim), default=1)


def _can_be_cut(batch: Batch) -> bool:
    """Whether the first axis of every input is that of the samples."""
    return len({array.shape[:1] for array in batch.values()}) == 1 and all(array.ndim for array in batch.values())


def _part(batch: Batch, rows: slice) -> Batch:
    return {name: array[rows] for name, array in batch.items()}
