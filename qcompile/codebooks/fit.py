"""A float weight as a lookup: codebooks that fit its rows, and the nearest entry of each number."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qcompile.codebooks.error_sums import round_with_sums
from qcompile.codebooks.levels import Levels
from qcompile.codebooks.near_optimal import bounded_codebooks
from qcompile.codebooks.optimal_kmeans import Floats as Doubles
from qcompile.codebooks.scaled import fit_scaled
from qcompile.codebooks.weights import CodebookWeights

Floats = npt.NDArray[np.float32]
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Lookup:
    """A weight [n, k]: ``codebook`` float32 [groups, K], rising, ``entries`` uint8 [n, k], and ``scales`` [n] or None.

    Each codebook serves n / groups neighbouring rows; there is one where there are scales, float32.
    """

    codebook: Floats
    entries: npt.NDArray[np.uint8]
    scales: Floats | None = None

    def values(self) -> Floats:
        """The weight: float32 [n, k]."""
        groups = len(self.codebook)
        flat = self.entries.reshape(groups, -1).astype(np.intp)
        found = np.take_along_axis(self.codebook, flat, axis=1).reshape(self.entries.shape)
        return found if self.scales is None else found * self.scales[:, None]

    def levels(self) -> Levels:
        """The values that each row may take."""
        codebook = self.codebook[0] if len(self.codebook) == 1 else self.codebook
        scales = np.ones(len(self.entries)) if self.scales is None else self.scales
        return Levels(codebook.astype(np.float64), scales.astype(np.float64))


def fit_lookup(rows: Floats, weights: CodebookWeights, masses: Doubles | None = None) -> Lookup:
    """The lookup for ``rows`` [n, k], finite, with 2**bits entries and little squared error.

    ``masses`` float64 [n, k], not negative, is what each number's squared error counts; 1 if absent. Per tensor or
    channel that error is the least there is, or near it where the weight is large (``bounded_codebooks``); with scales
    it is a local optimum (``fit_scaled``). Where fewer numbers differ, the last entry of a codebook repeats.
    """
    if weights.per == "scaled":
        scales, codebook = fit_scaled(rows, 2**weights.bits, masses)
        table = as_stored(codebook[None])
        known = np.where(scales > 0, scales, 1).astype(np.float64)
        return Lookup(table, nearest_entries(rows / known[:, None], table), scales)
    groups = len(rows) if weights.per == "channel" else 1
    flat = rows.reshape(groups, -1)
    table = as_stored(_fit_groups(flat, 2**weights.bits, None if masses is None else masses.reshape(groups, -1)))
    return Lookup(table, nearest_entries(flat, table).reshape(rows.shape))


def cancel_errors(rows: Floats, lookup: Lookup, taps: int) -> Lookup:
    """``lookup`` with the entries for ``rows`` [n, k] whose errors cancel (``round_with_sums``), not the nearest."""
    return replace(lookup, entries=round_with_sums(rows, lookup.levels(), taps).astype(np.uint8))


def nearest_entries(rows: npt.NDArray[np.floating], codebook: Floats) -> npt.NDArray[np.uint8]:
    """The lowest index of the entry nearest to each of ``rows`` [groups, any]; ``codebook`` [groups or 1, K] rises."""
    wide = codebook.astype(np.float64)
    middles = (wide[:, 1:] + wide[:, :-1]) / 2
    if len(wide) == 1:
        found = np.searchsorted(middles[0], rows)
    else:
        found = np.array([np.searchsorted(each, row) for each, row in zip(middles, rows, strict=True)])
    return found.astype(np.uint8)


def _fit_groups(flat: Floats, entries: int, masses: Doubles | None) -> Doubles:
    order = flat.argsort(axis=1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=1)
    return bounded_codebooks(ordered, entries, None if masses is None else np.take_along_axis(masses, order, axis=1))


def as_stored(codebook: Doubles) -> Floats:
    """``codebook`` in float32, without -0.0."""
    stored: Floats = np.clip(codebook, -LARGEST, LARGEST).astype(np.float32) + np.float32(0)
    return stored
