"""Compares what a backend computed with the float64 reference and its bound."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcompile.bounded import Bounded

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Comparison:
    """One way to run the model against the float64 reference.

    ``largest_difference`` is over all outputs. A ratio is a difference over its bound: at most 1 where the backend is
    right. ``worst_ratio`` is that of the outputs, None where an operator has no rule and so no output has a bound;
    ``worst_layer_ratio`` that of packed layers by themselves. Predictions (the largest output) count as ``undecided``
    where the two largest outputs lie closer than their bounds together.
    """

    backend: str
    samples: int
    largest_difference: float
    worst_ratio: float | None
    other_predictions: int
    undecided: int
    worst_layer: str | None = None
    worst_layer_ratio: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every bound there is holds and every decided prediction agrees."""
        ratios = [ratio for ratio in (self.worst_ratio, self.worst_layer_ratio) if ratio is not None]
        return bool(ratios) and max(ratios) <= 1 and self.other_predictions == 0

    def as_text(self) -> str:
        """The comparison as one line."""
        lines = [f"{'ok    ' if self.passed else 'FAILED'}  {self.backend}: {self.samples:,} samples"]
        if self.worst_ratio is None:
            lines.append(f"largest difference {self.largest_difference:.3g}, no bound: an operator has no error rule")
        else:
            lines.append(
                f"largest difference {self.largest_difference:.3g} = {self.worst_ratio:.3f} of its bound, "
                f"{self.other_predictions} other predictions, {self.undecided} undecided"
            )
        if self.worst_layer_ratio is not None:
            lines.append(f"layers by themselves at most {self.worst_layer_ratio:.3f} ({self.worst_layer})")
        return "; ".join(lines)


def compare(backend: str, found: list[Array], wanted: list[Bounded]) -> Comparison:
    """All outputs that ``backend`` computed against the reference's; the first output holds the predictions."""
    bounded = all(np.isfinite(w.error).all() for w in wanted)
    other, undecided = _count_predictions(found[0], wanted[0]) if bounded else (0, 0)
    return Comparison(
        backend=backend,
        samples=len(found[0]),
        largest_difference=max(map(_largest_difference, found, wanted)),
        worst_ratio=max(map(worst_ratio, found, wanted)) if bounded else None,
        other_predictions=other,
        undecided=undecided,
    )


def worst_ratio(found: Array, wanted: Bounded) -> float:
    """The largest difference over its bound; another shape, or any difference where the bound is 0, is infinite."""
    if found.shape != wanted.value.shape:
        return float("inf")
    difference = np.abs(found - wanted.value)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(difference == 0, 0.0, difference / wanted.error)
    return float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0.0))


def _largest_difference(found: Array, wanted: Bounded) -> float:
    same_shape = found.shape == wanted.value.shape
    return float(np.abs(found - wanted.value).max(initial=0.0)) if same_shape else float("inf")


def _count_predictions(found: Array, wanted: Bounded) -> tuple[int, int]:
    """How many rows are decided and predicted otherwise, and how many are undecided."""
    if found.shape != wanted.value.shape or found.ndim < 2 or found.shape[-1] < 2:
        return 0, 0
    rows = wanted.value.reshape(-1, wanted.value.shape[-1])
    errors = wanted.error.reshape(rows.shape)
    order = np.argsort(rows, axis=1)[:, ::-1]
    at = np.arange(len(rows))
    first, second = order[:, 0], order[:, 1]
    gap = rows[at, first] - rows[at, second]
    undecided = gap <= 2 * errors.max(axis=1)
    other = (found.reshape(rows.shape).argmax(axis=1) != first) & ~undecided
    return int(other.sum()), int(undecided.sum())
