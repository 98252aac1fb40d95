"""Rounding without sample inputs so that the errors of an output's weights, and of each kernel's taps, cancel.

What a layer reads is not known, but neighbouring pixels are alike, and behind a ReLU no channel has the mean zero: an
error that all taps share is worse than errors that cancel. So the squared error of a row's errors d is taken as

    sum d**2 + TAPS * sum over kernels (sum of its d)**2 + OUTPUT * (sum of all d)**2,

which is d H d^T for an H that needs no data. (Guo et al., "SQuant", arXiv 2202.07471, section 3, splits H so.) Columns
are rounded from first to last, each where the columns behind it can best make up for those before (as
``qcompile.rounding.second_order``); with this H that takes two running sums, and no matrix.
"""

import numpy as np
import numpy.typing as npt

from qcompile.codebooks.levels import Entries, Levels
from qcompile.codebooks.optimal_kmeans import Floats as Doubles

TAPS, OUTPUT = 1.0, 1.0  # a share of the variance of what is read that neighbours, and all of it, have in common


def round_with_sums(rows: npt.NDArray[np.floating], levels: Levels, taps: int) -> Entries:
    """The entries [n, k] of ``levels`` for ``rows`` [n, k], ``taps`` neighbouring columns being one kernel's.

    ``taps`` divides k and is 1 where there are no kernels; then only the sum of a row counts.
    """
    wide = rows.astype(np.float64)
    entries = np.zeros(rows.shape, np.intp)
    of_kernel, of_row = np.zeros((2, len(rows)))
    for column in range(rows.shape[1]):
        if column % taps == 0:
            of_kernel = np.zeros(len(rows))
        wanted = wide[:, column] + _best_error(column, rows.shape[1], taps, of_kernel, of_row)
        entries[:, column] = levels.nearest(wanted)
        error = levels.values(entries[:, column]) - wide[:, column]
        of_kernel, of_row = of_kernel + error, of_row + error
    return entries


def _best_error(column: int, columns: int, taps: int, of_kernel: Doubles, of_row: Doubles) -> Doubles:
    """The error that ``column`` and the rest of its kernel should have, were they and all behind them free: [n].

    ``of_kernel`` and ``of_row`` are the sums of the errors before. By symmetry the free columns of the kernel share one
    error u, those behind it another, v. The derivatives of the squared error by both are 0: two linear equations.
    """
    kernel = TAPS if taps > 1 else 0.0
    own = taps - column % taps
    behind = columns - column - own
    shared = kernel * of_kernel + OUTPUT * of_row  # u (1 + (kernel + OUTPUT) own) + v OUTPUT behind = -shared
    rest = 1 + kernel * taps + OUTPUT * behind  # u OUTPUT own + v rest = -OUTPUT of_row
    determinant = (1 + (kernel + OUTPUT) * own) * rest - OUTPUT**2 * own * behind
    found: Doubles = (OUTPUT**2 * behind * of_row - rest * shared) / determinant
    return found
