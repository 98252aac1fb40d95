"""The values that each row of a weight may take."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.codebooks.optimal_kmeans import Floats as Doubles

Entries = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Levels:
    """Row i may take ``codebook`` [K] * ``scales`` [i], or ``codebook`` [i] * ``scales`` [i] of [n, K]; entries rise.

    ``scales`` [n] are not negative; a row whose scale is 0 takes only zeros.
    """

    codebook: Doubles
    scales: Doubles

    def nearest(self, values: Doubles) -> Entries:
        """The index of the value nearest to each of ``values`` [n], one a row; the lower one of two."""
        middles = (self.codebook[..., 1:] + self.codebook[..., :-1]) / 2
        ratios = np.divide(values, self.scales, out=np.zeros_like(values), where=self.scales > 0)
        if middles.ndim == 1:
            return np.searchsorted(middles, ratios)
        found: Entries = (middles < ratios[:, None]).sum(axis=1)
        return found

    def values(self, entries: Entries) -> Doubles:
        """What ``entries`` [n], one a row, or [n, k] stand for."""
        along = entries.reshape(len(entries), -1)
        codebook = np.atleast_2d(self.codebook)
        taken = codebook[0][along] if len(codebook) == 1 else np.take_along_axis(codebook, along, axis=1)
        found: Doubles = (taken * self.scales[:, None]).reshape(entries.shape)
        return found

    def part(self, rows: slice) -> "Levels":
        """Those of some of the rows."""
        return Levels(self.codebook if self.codebook.ndim == 1 else self.codebook[rows], self.scales[rows])
