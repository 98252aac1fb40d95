"""One codebook for all rows of a weight, times a scale of each row: by turns the best codebook and the best scales.

With the scales known, a number w of a row with scale s is s * (w / s), so that the codebook is optimal for w / s, the
error of each counting s**2. With the entries known, a row's scale is least squares. No turn raises the error. Of a
large weight the codebook sees some of the numbers only, the scales all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.codebooks.near_optimal import bounded_codebooks, repeat_lloyd
from qcompile.codebooks.optimal_kmeans import Floats as Doubles
from qcompile.codebooks.optimal_kmeans import Integers, running_moments

MOST_TURNS = 12
LEAST_GAIN = 1e-3  # of the error, in a turn
SEEN = 1 << 14  # numbers of a weight for each entry, about, that a codebook is fitted to
LEAST_SEEN = 1 << 18
MOST_CANDIDATES = 1 << 21  # of the search for the optimum: about 40 milliseconds


def fit_scaled(
    rows: npt.NDArray[np.float32], entries: int, masses: Doubles | None = None
) -> tuple[npt.NDArray[np.float32], Doubles]:
    """Scales float32 [n], not negative, and a codebook float64 [``entries``], rising, for ``rows`` [n, k].

    ``masses`` [n, k] is what each number's squared error counts, 1 if absent. The scales start from the rows' root
    mean squares, and reach a local optimum, from where the best codebook for them is found again; of a large weight
    to about 0.1 % of the error. A row of zeros has the scale 0.
    """
    wide = rows.astype(np.float64)
    counts = np.ones_like(wide) if masses is None else masses
    scales = np.sqrt(np.square(wide).mean(axis=1))
    if not scales.any():
        return scales.astype(np.float32), np.zeros(entries)
    seen = _seen(wide, counts, scales, entries)
    codebook, error = _fit(wide, seen, scales, entries)
    for _ in range(MOST_TURNS):
        better_scales = _best_scales(wide, counts, scales, codebook)
        better, found = _fit(wide, seen, better_scales, codebook)
        gain = error - found
        if gain > 0:
            codebook, scales, error = better, better_scales, found
        if not gain > LEAST_GAIN * error:
            break
    last, found = _fit(wide, seen, scales, entries)
    return scales.astype(np.float32), last if found < error else codebook


@dataclass(frozen=True, eq=False)
class _Seen:
    """The ``places`` of numbers in a flat weight, rising, and what each squared error ``counts``: both [seen]."""

    places: Integers
    counts: Doubles


def _seen(wide: Doubles, counts: Doubles, scales: Doubles, entries: int) -> _Seen:
    """The numbers that the codebook is fitted to: all, or some by chance, each counting for those left out.

    The chances are half by what a number's error counts, half by what it would be without a codebook: the few large
    numbers are all there. (Bachem et al., "Scalable k-means clustering via lightweight coresets", arXiv 1702.08248.)
    """
    most = max(LEAST_SEEN, SEEN * entries)
    if wide.size <= most:
        return _Seen(np.arange(wide.size), counts.reshape(-1))
    alike, by_size = (counts * np.square(each) for each in (scales[:, None], wide))
    chances = (most / 2 * (alike / (alike.sum() or 1.0) + by_size / (by_size.sum() or 1.0))).reshape(-1)
    places = np.flatnonzero(np.random.default_rng(0).random(wide.size) < chances)
    return _Seen(places, counts.reshape(-1)[places] / np.minimum(chances[places], 1))


def _fit(wide: Doubles, seen: _Seen, scales: Doubles, start: Doubles | int) -> tuple[Doubles, float]:
    """The codebook for ``scales``, and the squared error with it, of the numbers ``seen``.

    ``start`` is a codebook from which Lloyd's steps go on, or how many entries the best one is to have.
    """
    sizes = scales[seen.places // wide.shape[1]]
    used = sizes > 0
    ratios = (wide.reshape(-1)[seen.places[used]] / sizes[used])[None]
    shares = (seen.counts[used] * np.square(sizes[used]))[None]
    order = ratios.argsort(axis=1, kind="stable")
    ordered, masses = (np.take_along_axis(each, order, axis=1) for each in (ratios, shares))
    if not masses.any():
        masses = np.ones_like(masses)
    if isinstance(start, int):
        [codebook] = bounded_codebooks(ordered, start, masses, MOST_CANDIDATES)
    else:
        [codebook] = repeat_lloyd(ordered, running_moments(ordered, masses), start[None])
    differences = ordered[0] - _nearest_values(ordered[0], codebook)
    return codebook, float(masses[0] @ np.square(differences))


def _best_scales(wide: Doubles, counts: Doubles, scales: Doubles, codebook: Doubles) -> Doubles:
    """Least squares for each row's scale with the entries as they are; one that would not be above 0 stays."""
    values = _nearest_values(wide / np.where(scales > 0, scales, 1)[:, None], codebook)
    products, squares = ((counts * values * other).sum(axis=1) for other in (wide, values))
    better = np.divide(products, squares, out=scales.copy(), where=squares > 0)
    found: Doubles = np.where((better > 0) & (scales > 0), better, scales)
    return found


def _nearest_values(ratios: Doubles, codebook: Doubles) -> Doubles:
    found: Doubles = codebook[np.searchsorted((codebook[1:] + codebook[:-1]) / 2, ratios)]
    return found
