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
        """What ``entries`` [n], one a row, stand for."""
        taken = self.codebook[entries] if self.codebook.ndim == 1 else self.codebook[np.arange(len(entries)), entries]
        found: Doubles = taken * self.scales
        return found
