"""The global optimum of k-means on a line, for every number of entries up to a limit, by dynamic programming.

An optimal codebook cuts the sorted weights into runs. D(k, i), the least error of the first i weights with k entries,
is min over j of D(k - 1, j) + error(j, i); the best j never falls as i grows, so that divide and conquer finds all of
a k in log(weights) sweeps of about ``weights`` candidates each. Source: Gronlund et al., "Fast exact k-means,
k-medians and Bregman divergence clustering in 1D", arXiv 1701.07204, section 2.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Running sums over the sorted weights up to each place where a cut may be: float64 [rows, cuts].

    The first cut lies before the first weight, the last one behind the last. ``sums`` and ``squares`` are those of
    the weights less ``centers`` [rows, 1], which keeps the differences of running sums precise.
    """

    masses: Floats
    sums: Floats
    squares: Floats
    centers: Floats

    def at(self, cuts: Integers) -> "Moments":
        """Those at some of the cuts, int64 [rows, fewer], rising along a row."""
        masses, sums, squares = (np.take_along_axis(a, cuts, axis=1) for a in (self.masses, self.sums, self.squares))
        return Moments(masses, sums, squares, self.centers)


@dataclass(frozen=True, eq=False)
class OptimalPath:
    """The optimal codebooks of 1 to ``max_entries`` entries. ``cuts`` is int32 [max_entries, rows, cuts].

    ``cuts[k - 1, row, i]`` is where the last of k runs begins that end at cut i; ``distortions`` is float64 [rows,
    max_entries].
    """

    moments: Moments
    distortions: Floats
    cuts: npt.NDArray[np.int32]

    def distortion(self, entries: int) -> Floats:
        """The least squared error with ``entries`` entries: float64 [rows].

        Up to the rounding of running sums: about 2**-50 of the squared error of one entry.
        """
        found: Floats = self.distortions[:, entries - 1]
        return found

    def codebook(self, entries: int) -> Floats:
        """The optimal codebook: float64 [rows, entries], rising; a row with fewer distinct weights repeats its last."""
        borders = self._borders(entries)
        counts = np.diff(np.take_along_axis(self.moments.masses, borders, axis=1))
        sums = np.diff(np.take_along_axis(self.moments.sums, borders, axis=1))
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0) + self.moments.centers
        return repeat_last(means, counts == 0)

    def _borders(self, entries: int) -> Integers:
        rows, cuts = self.moments.masses.shape
        borders = np.full((rows, entries + 1), cuts - 1)
        for k in range(entries, 0, -1):
            borders[:, k - 1] = self.cuts[k - 1, np.arange(rows), borders[:, k]]
        return borders


def optimal_codebooks(ordered: npt.NDArray[np.floating], max_entries: int, masses: Floats | None = None) -> OptimalPath:
    """The optimal codebooks of 1 to ``max_entries`` entries for each row.

    ``ordered`` is float [rows, weights], rising along a row; ``masses``, of the same shape and not negative, is what
    each weight's squared error counts, 1 if absent. Takes about 20 ns and 8 bytes times ``count_candidates``.
    """
    return solve(running_moments(ordered, masses), max_entries)


def count_candidates(rows: int, cuts: int, entries: int) -> int:
    """How many candidates ``solve`` weighs: the first entry has no choice, and the last only one end."""
    sweeps = max(1, cuts.bit_length())
    return rows * cuts * (max(0, entries - 2) * sweeps + 1)


def solve(moments: Moments, max_entries: int) -> OptimalPath:
    """The optimal codebooks among those whose runs begin and end at the cuts of ``moments``."""
    rows, cuts = moments.masses.shape
    errors = _errors_of_one_entry(moments)
    chosen = np.zeros((max_entries, rows, cuts), np.int32)
    distortions = [errors[:, -1]]
    for k in range(1, max_entries):
        gains = errors - moments.squares
        if k + 1 < max_entries:
            errors = _best_beginnings(moments, gains, chosen[k])
            distortions.append(errors[:, -1])
        else:
            distortions.append(_last_beginning(moments, gains, chosen[k]))
    return OptimalPath(moments, np.maximum(np.stack(distortions, axis=1), 0), chosen)


def running_moments(ordered: npt.NDArray[np.floating], masses: Floats | None = None) -> Moments:
    """The moments of ``ordered`` [rows, weights] with a cut beside every weight; ``masses`` as for the codebooks."""
    weights = ordered.astype(np.float64)
    counts = np.ones_like(weights) if masses is None else masses
    whole = counts.sum(axis=1, keepdims=True)
    centers = (weights * counts).sum(axis=1, keepdims=True) / np.where(whole > 0, whole, 1)
    centered = weights - centers
    sums = centered * counts
    return Moments(_running(counts), _running(sums), _running(sums * centered), centers)


def repeat_last(codebook: Floats, dropped: npt.NDArray[np.bool_]) -> Floats:
    """``codebook`` [rows, entries], rising along a row, without the ``dropped`` entries; the last one left fills up."""
    last = np.where(dropped, -np.inf, codebook).max(axis=1, keepdims=True)
    kept: Floats = np.minimum(np.sort(np.where(dropped, np.inf, codebook), axis=1), last)
    return kept


def _running(terms: Floats) -> Floats:
    return np.pad(terms.cumsum(axis=1), ((0, 0), (1, 0)))


def _errors_of_one_entry(moments: Moments) -> Floats:
    means = np.divide(moments.sums, moments.masses, out=np.zeros_like(moments.sums), where=moments.masses > 0)
    errors: Floats = moments.squares - moments.sums * means
    return errors


def _last_beginning(moments: Moments, gains: Floats, chosen: npt.NDArray[np.int32]) -> Floats:
    """The least error of all weights; where the last run begins goes to the last column of ``chosen``."""
    sums = moments.sums[:, -1:] - moments.sums
    masses = moments.masses[:, -1:] - moments.masses
    values = gains - np.divide(sums * sums, masses, out=np.zeros_like(sums), where=masses > 0)
    chosen[:, -1] = values.argmin(axis=1)
    least: Floats = values.min(axis=1) + moments.squares[:, -1]
    return least


def _best_beginnings(moments: Moments, gains: Floats, chosen: npt.NDArray[np.int32]) -> Floats:
    """The least error of the weights before each cut; where its last run begins goes to ``chosen``.

    The last cut comes first, then cuts halfway between those that are known: each between its neighbours' choices.
    """
    rows, cuts = gains.shape
    errors = np.zeros_like(gains)
    _weigh(
        np.array([cuts - 1]),
        np.zeros((rows, 1), np.int64),
        np.full((rows, 1), cuts - 1),
        moments,
        gains,
        errors,
        chosen,
    )
    stride = 1 << (cuts - 1).bit_length()
    while stride > 1:
        stride //= 2
        ends = np.arange(stride, cuts - 1, 2 * stride)
        if len(ends):
            low = chosen[:, ends - stride].astype(np.int64)
            high = chosen[:, np.minimum(ends + stride, cuts - 1)].astype(np.int64)
            _weigh(ends, low, np.minimum(high, ends), moments, gains, errors, chosen)
    return errors


def _weigh(
    ends: Integers,
    low: Integers,
    high: Integers,
    moments: Moments,
    gains: Floats,
    errors: Floats,
    chosen: npt.NDArray[np.int32],
) -> None:
    """Fills ``errors`` and ``chosen`` [rows, cuts] at ``ends``: the first of the best beginnings from low to high."""
    rows, cuts = gains.shape
    offsets = np.arange(rows)[:, None] * cuts
    counts = (high - low + 1).ravel()
    firsts = counts.cumsum() - counts
    begins = np.arange(counts.sum()) + np.repeat((low + offsets).ravel() - firsts, counts)
    flat_ends = (ends + offsets).ravel()
    sums = np.repeat(moments.sums.ravel()[flat_ends], counts) - moments.sums.ravel()[begins]
    masses = np.repeat(moments.masses.ravel()[flat_ends], counts) - moments.masses.ravel()[begins]
    masses[masses <= 0] = 1  # an empty run, whose sum is 0
    values = gains.ravel()[begins] - sums * sums / masses
    least = np.minimum.reduceat(values, firsts)
    best = np.flatnonzero(values == np.repeat(least, counts))
    owners = np.searchsorted(firsts, best, side="right") - 1
    picked = np.empty(len(counts), np.int64)
    picked[owners[::-1]] = begins[best[::-1]]  # the first of equals is written last
    chosen[:, ends] = picked.reshape(rows, -1) - offsets
    errors[:, ends] = least.reshape(rows, -1) + moments.squares[:, ends]
