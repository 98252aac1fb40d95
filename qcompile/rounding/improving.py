"""Rounded rows made better by turns: each number again, with all others as they are, then the step of each row.

Second-order correction decides each number once, looking only at the columns behind it. No turn raises an error.
"""

import numpy as np
import numpy.typing as npt

from qcompile.rounding.descent import descend
from qcompile.rounding.grid import Doubles, Grid
from qcompile.rounding.groups import Group
from qcompile.rounding.second_order import output_errors
from qcompile.rounding.starts import LEAST_STEP

TURNS = 3  # more gain little

Rows = tuple[npt.NDArray[np.int16], npt.NDArray[np.float32], Doubles]


def improve(group: Group, choices: Doubles, rows: Rows) -> Rows:
    """``rows``, numbers [n, k] of ``choices``, steps [n] and errors [n], or better ones, row by row."""
    for _ in range(TURNS):
        rows = _better(rows, _turn(group, choices, rows))
    return rows


def _turn(group: Group, choices: Doubles, rows: Rows) -> Rows:
    numbers, steps, _ = rows
    entries = np.searchsorted(choices, numbers)
    entries = descend(group.target, group.damped, Grid(choices, steps.astype(np.float64)), entries)
    values = choices[entries]
    steps = _best_steps(group, values, steps)
    errors = output_errors(group.target - values * steps[:, None].astype(np.float64), group.damped)
    return values.astype(np.int16), steps, errors


def _best_steps(group: Group, values: Doubles, steps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The step (v^T H w) / (v^T H v) of each row v of ``values`` for its target w; the old one if that is none."""
    weighed = values @ group.damped
    products, squares = (np.einsum("nk,nk->n", weighed, other) for other in (group.target, values))
    found = np.divide(products, squares, out=np.zeros(len(steps)), where=squares > 0).astype(np.float32)
    return np.where(found > LEAST_STEP, found, steps)


def _better(one: Rows, other: Rows) -> Rows:
    """The row of the less error, of each two."""
    better = other[2] < one[2]
    numbers = np.where(better[:, None], other[0], one[0])
    return numbers, np.where(better, other[1], one[1]), np.where(better, other[2], one[2])
