"""What the weights of a layer may be rounded to, and the nearest of it: where rounding by outputs starts from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.codebooks.scaled import fit_scaled
from qcompile.passes.round_weights import round_to_grid, safe_steps
from qcompile.rounding.grid import Doubles, Grid, whole_numbers

CUTS = np.linspace(0.4, 1.0, 16)  # of the largest weight of an output: where its grid may end
ONE_BIT_CUTS = np.linspace(0.5, 1.5, 16)  # of the mean size of the weights of an output
FACTORS = np.linspace(0.85, 1.15, 16)  # of the scale with which an output has the least squared error
GREATEST = 127  # of an entry: its negative is an int8 too
LEAST_STEP = 1e-30  # that can be divided by


@dataclass(frozen=True, eq=False)
class Start:
    """``numbers`` [K], rising, that outputs share, the ``nearest`` of them int16 [n, k] with ``steps`` [n].

    ``tried`` [tries, n] are the steps of each output to choose from.
    """

    numbers: Doubles
    nearest: npt.NDArray[np.int16]
    steps: npt.NDArray[np.float32]
    tried: npt.NDArray[np.float32]

    def part(self, rows: slice) -> "Start":
        """That of some of the outputs."""
        return Start(self.numbers, self.nearest[rows], self.steps[rows], self.tried[:, rows])


def grid_start(rows: npt.NDArray[np.float32], target: Doubles, bits: int) -> Start:
    """All whole numbers of ``bits`` bits: the nearest to ``rows`` [n, k], steps to try for ``target`` [n, k]."""
    sizes = np.abs(target).mean(axis=1) if bits == 1 else np.abs(target).max(axis=1) / (2 ** (bits - 1) - 1)
    cuts = ONE_BIT_CUTS if bits == 1 else CUTS if bits < 8 else CUTS[-1:]
    return Start(whole_numbers(bits), *round_to_grid(rows, bits), safe_steps(cuts[:, None] * sizes))


def codebook_start(target: Doubles, masses: Doubles | None, bits: int) -> Start:
    """At most 2**``bits`` whole numbers from -127 to 127 with little squared error for ``target`` [n, k].

    ``masses`` [n, k] is what the squared error of each number counts, 1 if absent. The numbers are those of the best
    codebook of real ones (``fit_scaled``), rounded, the farthest from 0 being 127: a local optimum but for that.
    """
    scales, codebook = fit_scaled(target.astype(np.float32), 2**bits, masses)
    unit = (np.abs(codebook).max() or 1.0) / GREATEST
    numbers = np.unique(np.rint(codebook / unit))
    steps = np.maximum(scales * unit, LEAST_STEP).astype(np.float32)
    nearest = numbers[Grid(numbers, steps.astype(np.float64)).nearest(target)]
    return Start(numbers, nearest.astype(np.int16), steps, (FACTORS[:, None] * steps).astype(np.float32))
