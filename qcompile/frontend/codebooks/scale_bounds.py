"""The same global optimum for a long row, by bounds, in memory of a few times the row.

A and B (see scale_events.py) only fall as the scale grows, and an event at scale a changes B by 2 / a of what it
changes A. So an assignment between the scales low and high has A = A(high) + x and B >= B(high) + 2 * x / high, and
(A(high) + x)**2 / (B(high) + 2 * x / high), convex in x, is greatest at an end. An interval whose bound is below a gain
already seen is dropped, the others are cut in parts; what is left, around the optimum, is enumerated. The bound's slack
falls with the square of the width, as the gain itself does around its maximum, so that few intervals are left.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from qcompile.frontend.codebooks.nearest import round_down
from qcompile.frontend.codebooks.scale_events import Floats, middles_of, pick_best

_MAX_EVENTS = 1 << 18
_MAX_ROUNDS = 20
_PARTS = 8  # 8**20 is 2**60: intervals are then narrower than float64 can tell
_SAFETY = 1 + 1e-9  # for the rounding of running sums
_OCTAVES = 40


def search_by_bounds(weights: torch.Tensor, masses: Floats | None, entries: Floats) -> tuple[float, float]:
    """The best scale that is not negative, and by how much it lowers the squared error of zeros.

    ``weights`` is float32 [weights], rising; ``masses`` [weights] is what each counts, 1 if absent.
    """
    row = _compress(weights, masses, entries)
    middles = np.abs(row.middles[row.middles != 0])
    top = float(weights.abs().max()) / middles.min() if len(middles) else 0.0
    edges = np.concatenate([[0.0], top * 2.0 ** np.linspace(-_OCTAVES, 0, 4 * _OCTAVES + 1)])
    low, high = edges[:-1], edges[1:]
    best = (0.0, 0.0)
    for _ in range(_MAX_ROUNDS):
        low, high, best = _drop_hopeless(row, low, high, best)
        events = np.abs(row.borders(high) - row.borders(low)).sum(axis=1)
        low, high = low[events > 0], high[events > 0]  # without one the only assignment was seen at the end
        if events.sum() <= _MAX_EVENTS:
            break
        low, high = _cut(low, high)
    found = [_search_between(row, *interval) for interval in zip(low, high, strict=True)]
    return max([best, *found], key=lambda each: each[1])


@dataclass(frozen=True, eq=False)
class _Row:
    """The distinct weights, float32 and rising; running sums of mass and of mass * weight; the entries."""

    weights: torch.Tensor
    masses: Floats
    running_masses: Floats
    running_sums: Floats
    entries: Floats

    @property
    def middles(self) -> Floats:
        return middles_of(self.entries)

    def borders(self, scales: Floats) -> npt.NDArray[np.int64]:
        """How many weights lie at or below each middle times each scale: [scales, entries - 1]."""
        needles = round_down(torch.from_numpy(scales[:, None] * self.middles))
        counts: npt.NDArray[np.int64] = torch.searchsorted(self.weights, needles, right=True).numpy()
        return counts

    def products_and_squares(self, scales: Floats) -> tuple[Floats, Floats]:
        """A and B at each scale."""
        borders = np.pad(self.borders(scales), ((0, 0), (1, 1)))
        borders[:, -1] = len(self.weights)
        sums, masses = np.diff(self.running_sums[borders]), np.diff(self.running_masses[borders])
        return sums @ self.entries, masses @ self.entries**2


def _compress(weights: torch.Tensor, masses: Floats | None, entries: Floats) -> _Row:
    ordered = weights.numpy()
    firsts = np.flatnonzero(np.diff(ordered, prepend=np.float32(-np.inf)) > 0)
    merged = np.diff(firsts, append=len(ordered)).astype(np.float64)
    if masses is not None:
        merged = np.add.reduceat(masses, firsts)
    distinct = ordered[firsts]
    running_sums = np.pad((merged * distinct).cumsum(), (1, 0))
    return _Row(torch.from_numpy(distinct), merged, np.pad(merged.cumsum(), (1, 0)), running_sums, entries)


def _drop_hopeless(
    row: _Row, low: Floats, high: Floats, best: tuple[float, float]
) -> tuple[Floats, Floats, tuple[float, float]]:
    """The intervals that may hold a better scale than any seen, and the best one seen, at their ends too."""
    low_products, _ = row.products_and_squares(low)
    products, squares = row.products_and_squares(high)
    scales, gains = pick_best(products[None], squares[None])
    best = max(best, (float(scales[0]), float(gains[0])), key=lambda each: each[1])
    more = np.maximum(low_products - products, 0)
    least_squares = squares + np.divide(2 * more, high, out=np.zeros_like(more), where=high > 0)
    wanted = np.maximum(low_products, 0) ** 2 * _SAFETY
    hopeful = (wanted > 0) & (wanted >= best[1] * least_squares)
    return low[hopeful], high[hopeful], best


def _cut(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    edges = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, _PARTS + 1)
    edges[:, -1] = high
    return edges[:, :-1].ravel(), edges[:, 1:].ravel()


def _search_between(row: _Row, low: float, high: float) -> tuple[float, float]:
    """The best of the assignments between two scales, from the greater one down."""
    ends = np.sort(row.borders(np.array([low, high])), axis=0)
    parts = [
        (weights / middle, np.abs(weights) * masses * gap, 2 * abs(middle) * masses * gap)
        for middle, gap, (first, last) in zip(row.middles, np.diff(row.entries), ends.T, strict=True)
        for weights, masses in [(row.weights[first:last].double().numpy(), row.masses[first:last])]
    ]
    products, squares = row.products_and_squares(np.array([high]))
    if parts:
        scales, more_products, more_squares = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        falling = np.argsort(-scales)
        products = np.concatenate([products, products + more_products[falling].cumsum()])
        squares = np.concatenate([squares, squares + more_squares[falling].cumsum()])
    best_scales, gains = pick_best(products[None], squares[None])
    return float(best_scales[0]), float(gains[0])
