"""When bit-widths are taken out of drawing, and how many: everything relative to the run's length."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.ranges import check_range

_ROUNDING = 1e-9  # of a period: progress is a quotient, and may fall short of a whole number of periods


@dataclass(frozen=True)
class Freezing:
    """Progress is 0 at the beginning of a run and 1 at its end. Raises RecipeError for a value out of range.

    Behind ``start`` a decision falls on every multiple of ``period``, and behind ``late`` on every multiple of
    ``late_period``. The ratio of layers that are frozen falls from ``first_ratio`` at ``start`` towards
    ``last_ratio``, as a cosine. A frozen layer loses its smallest weight width until the next decision, and
    with ``with_activations`` also its smallest activation width. The defaults are those of the published code, which
    counts epochs of 150; to within one epoch.
    """

    start: float = 0.04
    period: float = 1 / 75
    late: float = 0.72
    late_period: float = 0.1
    first_ratio: float = 0.5
    last_ratio: float = 0.2
    with_activations: bool = False

    def __post_init__(self) -> None:
        for name in ("start", "late", "first_ratio", "last_ratio"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        for name in ("period", "late_period"):
            check_range(name, getattr(self, name), 1e-6, 1.0)

    def decisions(self, progress: float) -> int:
        """How many decisions there are from the beginning up to ``progress``, 0 at ``start``."""
        early = _multiples(min(progress, self.late), self.period) - _multiples(self.start, self.period)
        behind = _multiples(progress, self.late_period) - _multiples(max(self.start, self.late), self.late_period)
        return max(0, early) + max(0, behind)

    def ratio(self, progress: float) -> float:
        """Which part of the layers is frozen by a decision at ``progress``; none up to ``start``."""
        if progress <= self.start:
            return 0.0
        height = (1 + math.cos(math.pi * (progress - self.start))) / 2
        return self.last_ratio + (self.first_ratio - self.last_ratio) * height

    def freeze(
        self, candidates: Mapping[str, Candidates], scores: Mapping[str, float], progress: float
    ) -> dict[str, Candidates]:
        """What may be drawn of ``candidates``: the layers with the highest ``scores`` lose their smallest width.

        The ratio counts among the layers that have a score, rounded down; of equal scores the first come first.
        """
        ranked = sorted(scores, key=lambda name: -scores[name])
        frozen = set(ranked[: int(self.ratio(progress) * len(ranked))])
        return {name: self._without(each) if name in frozen else each for name, each in candidates.items()}

    def _without(self, candidates: Candidates) -> Candidates:
        left = replace(candidates, weight=_but_smallest(candidates.weight))
        return replace(left, activation=_but_smallest(left.activation)) if self.with_activations else left


def _multiples(progress: float, period: float) -> int:
    return math.floor(progress / period + _ROUNDING)


def _but_smallest(widths: tuple[int, ...]) -> tuple[int, ...]:
    return widths[1:] or widths
