"""Differences of accuracies with their standard errors: of two plans on the same images, of two arms by seeds."""

import math
import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass

# How many standard errors a mean of so many pairs is from zero in 5 of 100 cases by chance: Student's t, two-sided.
SHOWN = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
SHOWN_BY_MANY = 1.96


@dataclass(frozen=True)
class Difference:
    """``mean`` of ``pairs`` in points; ``error`` is its standard error, None where one pair tells nothing of it."""

    mean: float
    error: float | None
    pairs: int

    @property
    def needed(self) -> float:
        """How many standard errors the mean must be from zero before it counts."""
        return SHOWN.get(self.pairs, SHOWN_BY_MANY)

    def verdict(self) -> str:
        """What may be said of it."""
        if self.error is None:
            return "one pair: no error is known"
        if abs(self.mean) <= self.error:
            return "within its standard error: no difference seen"
        if abs(self.mean) <= self.needed * self.error:
            return f"within {self.needed:g} standard errors: not shown"
        return "higher" if self.mean > 0 else "lower"


def image_difference(wrong: Collection[int], wrong_before: Collection[int], images: int) -> Difference:
    """How much more of ``images`` are right, in points, where ``wrong`` are wrong and not ``wrong_before``.

    The error is that of a mean over images that each gained, lost or stayed: what is common to both cancels out.
    """
    gained, lost = len(set(wrong_before) - set(wrong)), len(set(wrong) - set(wrong_before))
    mean = (gained - lost) / images
    variance = (gained + lost) / images - mean * mean
    return Difference(100 * mean, 100 * math.sqrt(variance / images), images)


def paired_difference(values: Mapping[int, float], before: Mapping[int, float]) -> Difference:
    """The mean difference over the seeds that both have, and its standard error from their spread.

    Raises ValueError if they have no seed in common.
    """
    seeds = sorted(values.keys() & before.keys())
    if not seeds:
        raise ValueError(f"no seed in common: {sorted(values)} and {sorted(before)}")
    each = [values[seed] - before[seed] for seed in seeds]
    error = statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else None
    return Difference(statistics.fmean(each), error, len(each))
