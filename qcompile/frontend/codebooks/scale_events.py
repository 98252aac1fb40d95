"""The scale that brings a fixed codebook nearest to short rows of weights, globally: all assignments, in order.

While a grows from 0, a weight t leaves entry c[k + 1] for its neighbour nearer to zero, c[k], when a passes
t / middle[k]. For the assignments between two such events the best a is A / B, with A the sum of t * c and B that of
c * c, and it lowers the squared error by A * A / B. So the optimum is the greatest of these over all events, in order.
Source: Idelbayev, Molchanov, Shen, Yin, Carreira-Perpinan and Alvarez, "Optimal quantization using scaled codebook",
CVPR 2021.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def search_all_events(weights: Floats, masses: Floats, entries: Floats) -> tuple[Floats, Floats]:
    """The best scale of each row that is not negative, and by how much it lowers the squared error of zeros: [rows].

    ``weights`` and ``masses`` are [rows, weights], ``entries`` [entries] rising. Goes from the greatest scale down:
    so A and B are sums of terms of one sign. Memory: some float64 arrays of rows * weights * entries.
    """
    products, squares = _at_infinity(weights, masses, entries)
    weights, masses = weights[:, :, None], masses[:, :, None]
    middles, gaps = middles_of(entries), np.diff(entries)
    happens = weights * middles > 0
    scales = np.divide(weights, middles, out=np.zeros(happens.shape), where=happens).reshape(len(weights), -1)
    falling = np.argsort(-scales, axis=1)
    more_products = np.where(happens, np.abs(weights) * masses * gaps, 0).reshape(scales.shape)
    more_squares = np.where(happens, 2 * np.abs(middles) * masses * gaps, 0).reshape(scales.shape)
    products = products[:, None] + _running(np.take_along_axis(more_products, falling, axis=1))
    squares = squares[:, None] + _running(np.take_along_axis(more_squares, falling, axis=1))
    return pick_best(products, squares)


def pick_best(products: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """A / B and A * A / B of each row where the latter is greatest; [rows, assignments] each; 0 if no A > 0."""
    scales = np.divide(products, squares, out=np.zeros_like(products), where=(squares > 0) & (products > 0))
    gains = scales * np.maximum(products, 0)
    best = gains.argmax(axis=1)[:, None]
    return np.take_along_axis(scales, best, axis=1)[:, 0], np.take_along_axis(gains, best, axis=1)[:, 0]


def middles_of(entries: Floats) -> Floats:
    """Halfway between neighbouring entries: where a weight leaves one for the other."""
    middles: Floats = (entries[1:] + entries[:-1]) / 2
    return middles


def _at_infinity(weights: Floats, masses: Floats, entries: Floats) -> tuple[Floats, Floats]:
    """A and B of each row when the scale is so great that every weight has an entry next to zero."""
    middles = middles_of(entries)
    below, above = (middles < 0).sum(), (middles <= 0).sum()
    nearest = np.where(weights > 0, entries[above], entries[below])
    weighted = nearest * masses
    return (weighted * weights).sum(axis=1), (weighted * nearest).sum(axis=1)


def _running(terms: Floats) -> Floats:
    return np.pad(terms.cumsum(axis=1), ((0, 0), (1, 0)))
