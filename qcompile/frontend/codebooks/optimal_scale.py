"""The real scale that brings a fixed codebook nearest to weights, globally, by bounds.

For given indices the best scale is a = A / B, with A the sum of weight * entry and B that of entry**2, and it lowers
the squared error below that of zeros by the gain A * A / B. While a grows from 0, a weight t leaves an entry for its
neighbour nearer to zero when a passes t over the middle of the two. (Idelbayev et al., "Optimal quantization using
scaled codebook", CVPR 2021, goes through all these events in order.) Each event lowers A, and B by 2 / a times as much.
So B, from the scale high down to low, is a convex function of A with slopes from 2 / high to 2 / low, and lies above
the lines with these slopes through its ends. Along a line the gain is convex and greatest at an end: no indices of the
interval gain more than those at its ends, or than where the lines meet. Intervals whose bound is not above a gain
already seen are dropped, the others are cut; the bound's slack falls with the square of an interval's width, as the
gain does around its maximum, so that few intervals are left. No event need be listed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from qcompile.frontend.codebooks.kmeans import count_at_most
from qcompile.frontend.codebooks.values import is_symmetric

Floats = npt.NDArray[np.float64]
_OCTAVES = 40  # below the greatest scale of any event, where the first cuts lie
_PARTS = 4
_MAX_ROUNDS = 30  # of 4 parts: intervals are then narrower than float64 can tell
_TOLERANCE = 1 + 2.0**-40  # running sums of 2**24 weights are not more precise
_MAX_BORDERS = 1 << 20  # at once


@dataclass(frozen=True, eq=False)
class _Problem:
    """Rows of rising float32 weights, running sums of mass and of mass * weight from 0 on, and the entries."""

    weights: torch.Tensor
    masses: Floats
    sums: Floats
    entries: Floats

    @property
    def middles(self) -> Floats:
        middles: Floats = (self.entries[1:] + self.entries[:-1]) / 2
        return middles

    def part(self, rows: slice) -> "_Problem":
        return _Problem(self.weights[rows], self.masses[rows], self.sums[rows], self.entries)

    def a_and_b(self, scales: Floats) -> tuple[Floats, Floats]:
        """A and B of the nearest entries at ``scales`` [rows, scales]."""
        rows, count = scales.shape
        limits = torch.from_numpy((scales[:, :, None] * self.middles).reshape(rows, -1))
        inner = count_at_most(self.weights, limits).numpy().reshape(rows, count, -1)
        borders = np.pad(inner, ((0, 0), (0, 0), (1, 1)))
        borders[:, :, -1] = self.weights.shape[1]
        at = np.arange(rows)[:, None, None]
        return np.diff(self.sums[at, borders]) @ self.entries, np.diff(self.masses[at, borders]) @ self.entries**2


@dataclass(frozen=True, eq=False)
class _Found:
    """The best scale so far of each row that is not negative, and its gain: [rows]."""

    scales: Floats
    gains: Floats

    def better(self, products: Floats, squares: Floats) -> "_Found":
        """With the indices whose A and B are ``products`` and ``squares`` [rows, any] taken into account."""
        scales = np.divide(products, squares, out=np.zeros_like(products), where=(squares > 0) & (products > 0))
        gains = scales * np.maximum(products, 0)
        best = gains.argmax(axis=1)[:, None]
        scale, gain = (np.take_along_axis(each, best, axis=1)[:, 0] for each in (scales, gains))
        return _Found(np.where(gain > self.gains, scale, self.scales), np.maximum(gain, self.gains))


def optimal_scales(
    ordered: torch.Tensor, values: tuple[float, ...], masses: torch.Tensor | None = None
) -> torch.Tensor:
    """The scale a of each row that makes a * ``values`` nearest to it in squared error: float64 [rows].

    ``ordered`` is float32 [rows, weights], rising along a row; ``masses``, of the same shape and not negative, is what
    each weight's error counts, 1 if absent. Negative where an asymmetric codebook serves better upside down. A row of
    zeros has the scale 0. No scale lowers the squared error by more than 1 + 2**-40 times as much.
    """
    sums, running_masses = _running_sums(ordered, masses)
    entries = np.array(values, np.float64)
    found = _search(_Problem(ordered, running_masses, sums, entries), np.zeros(len(ordered)))
    if is_symmetric(values):
        return torch.from_numpy(found.scales)
    mirrored = _search(_Problem(ordered, running_masses, sums, -entries[::-1]), found.gains)
    return torch.from_numpy(np.where(mirrored.gains > found.gains, -mirrored.scales, found.scales))


def _running_sums(ordered: torch.Tensor, masses: torch.Tensor | None) -> tuple[Floats, Floats]:
    rows, weights = ordered.shape
    sums, counts = np.zeros((rows, weights + 1)), np.zeros((rows, weights + 1))
    counts[:, 1:] = 1 if masses is None else masses.numpy()
    np.multiply(ordered.numpy(), counts[:, 1:], out=sums[:, 1:])
    return sums.cumsum(axis=1, out=sums), counts.cumsum(axis=1, out=counts)


def _search(problem: _Problem, known_gains: Floats) -> _Found:
    """The best scales that are not negative; 0 where none gains more than ``known_gains`` [rows]."""
    tall = max(1, _MAX_BORDERS // (2 * _OCTAVES * len(problem.entries)))
    parts = [
        _search_rows(problem.part(slice(row, row + tall)), known_gains[row : row + tall])
        for row in range(0, len(problem.weights), tall)
    ]
    return _Found(np.concatenate([part.scales for part in parts]), np.concatenate([part.gains for part in parts]))


def _search_rows(problem: _Problem, known_gains: Floats) -> _Found:
    edges = _first_edges(problem)
    found = _Found(np.zeros(len(edges)), known_gains)
    for _ in range(_MAX_ROUNDS):
        rows = len(edges)
        products, squares = (each.reshape(edges.shape) for each in problem.a_and_b(edges.reshape(rows, -1)))
        found = found.better(products.reshape(rows, -1), squares.reshape(rows, -1))
        hopeful = _may_hold_more(edges, products, squares, found.gains * _TOLERANCE)
        if not hopeful.any():
            break
        low, high = edges[:, :, :-1].reshape(rows, -1), edges[:, :, 1:].reshape(rows, -1)
        low, high = _gather(hopeful.reshape(rows, -1), low, high)
        edges = low[:, :, None] + (high - low)[:, :, None] * np.linspace(0, 1, _PARTS + 1)
    return found


def _may_hold_more(edges: Floats, products: Floats, squares: Floats, gains: Floats) -> npt.NDArray[np.bool_]:
    """Which intervals between neighbouring edges [rows, any, edges] have a bound above ``gains`` [rows]."""
    low, high = edges[:, :, :-1], edges[:, :, 1:]
    more_products = np.maximum(products[:, :, :-1] - products[:, :, 1:], 0)
    more_squares = np.maximum(squares[:, :, :-1] - squares[:, :, 1:], 0)
    width = np.where(high > low, high - low, 1)
    meeting = np.clip(high * (more_products - more_squares * low / 2) / width, 0, more_products)
    least_squares = squares[:, :, 1:] + np.divide(2 * meeting, high, out=np.zeros_like(meeting), where=high > 0)
    greatest = np.maximum(products[:, :, 1:] + meeting, 0) ** 2
    bounded: npt.NDArray[np.bool_] = (more_products > 0) & (greatest > gains[:, None, None] * least_squares)
    return bounded


def _first_edges(problem: _Problem) -> Floats:
    """From 0, by octaves, to the greatest scale at which a weight changes its entry: [rows, 1, edges]."""
    middles = np.abs(problem.middles[problem.middles != 0])
    ends = problem.weights[:, [0, -1]].abs().amax(dim=1).double().numpy()
    top = ends / middles.min() if len(middles) else ends
    steps = np.concatenate([[0.0], 2.0 ** np.arange(-_OCTAVES, 1)])
    edges: Floats = top[:, None, None] * steps
    return edges


def _gather(hopeful: npt.NDArray[np.bool_], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The hopeful intervals of each row first, as many as any row has; one that is not is empty from now on."""
    order = np.argsort(~hopeful, axis=1, kind="stable")[:, : hopeful.sum(axis=1).max()]
    kept = np.take_along_axis(hopeful, order, axis=1)
    low, high = np.take_along_axis(low, order, axis=1), np.take_along_axis(high, order, axis=1)
    return low, np.where(kept, high, low)
