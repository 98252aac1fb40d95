"""One weight, rounded so that the outputs stay near those of the float network.

The network before the layer is rounded already: the layer reads y where the float network reads x. First the weight
that fits y best, of real numbers, is found (least squares, held near the trained weight), then that is rounded. What is
left of the difference of the means goes into the bias.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.rounding.grid import Doubles, Grid
from qcompile.rounding.groups import Group, groups_of
from qcompile.rounding.improving import improve
from qcompile.rounding.methods import Values
from qcompile.rounding.moments import Moments
from qcompile.rounding.second_order import inverse_factor, output_errors, round_second_order
from qcompile.rounding.starts import Start, codebook_start, grid_start

MOST_NUMBERS = 1 << 23  # that are rounded at once: bounds the memory of the tries


@dataclass(frozen=True, eq=False)
class RoundedRows:
    """A weight [n, k] as whole ``numbers`` times ``steps`` [n], and what becomes of its outputs.

    ``shift`` [n] is to be added to the outputs. The variances [n] of the outputs' errors are ``error`` and, had the
    numbers been rounded to the nearest ones, ``plain_error``; ``variance`` that of the outputs themselves.
    """

    numbers: npt.NDArray[np.int16]
    steps: npt.NDArray[np.float32]
    shift: Doubles
    plain_error: Doubles
    error: Doubles
    variance: Doubles

    def values(self) -> Doubles:
        """The rounded weight."""
        found: Doubles = self.numbers.astype(np.float64) * self.steps[:, None]
        return found


def round_rows(
    rows: npt.NDArray[np.float32], moments: Moments, bits: int, damping: float, values: Values = "grid"
) -> RoundedRows:
    """``rows`` [n, k] rounded to ``bits`` bits, each group of rows by its own ``moments``.

    ``damping`` is the share of the mean variance that is added to each column's. No output has a larger error, so
    damped, than with the nearest numbers. ``values`` "codebook": the numbers are not all of so many bits but a
    codebook of int8 for the weight, each squared error counting the variance of what is read there.
    """
    groups = groups_of(rows, moments, damping)
    found = [_round_group(*each) for each in zip(groups, _starts(groups, bits, values), strict=True)]
    columns = ("numbers", "steps", "shift", "plain_error", "error", "variance")
    return RoundedRows(*(np.concatenate([getattr(part, name) for part in found]) for name in columns))


def _starts(groups: list[Group], bits: int, values: Values) -> list[Start]:
    """One of each group; of a codebook, which all share, its parts."""
    if values == "grid":
        return [grid_start(group.rows, group.target, bits) for group in groups]
    target = np.concatenate([group.target for group in groups])
    masses = np.concatenate([np.broadcast_to(np.diag(group.damped), group.target.shape) for group in groups])
    start, each = codebook_start(target, masses, bits), len(groups[0].rows)
    return [start.part(slice(first, first + each)) for first in range(0, len(target), each)]


def _round_group(group: Group, start: Start) -> RoundedRows:
    target, damped = group.target, group.damped
    plain_numbers, plain_steps = start.nearest, start.steps
    plain = plain_numbers * plain_steps[:, None].astype(np.float64)
    plain_error = output_errors(target - plain, damped)
    numbers, steps, error = _best_of_grids(target, damped, start)
    worse = error > plain_error
    numbers[worse], steps[worse], error[worse] = plain_numbers[worse], plain_steps[worse], plain_error[worse]
    numbers, steps, error = improve(group, start.numbers, (numbers, steps, error))
    found: Doubles = numbers.astype(np.float64) * steps[:, None]
    return RoundedRows(numbers, steps, group.shift(found), plain_error, error, output_errors(target, damped))


def _best_of_grids(
    target: Doubles, damped: Doubles, start: Start
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32], Doubles]:
    """Numbers, steps and errors of each row of ``target`` with the grid, of those tried, of the least error."""
    factor, numbers = inverse_factor(damped), start.numbers
    found = np.zeros(target.shape, np.int16)
    steps, errors = np.ones(len(target), np.float32), np.full(len(target), np.inf)
    for tried in _in_parts(start.tried, target.shape[1]):  # [tries, n]
        stacked = np.tile(target, (len(tried), 1))
        grid = Grid(numbers, tried.reshape(-1).astype(np.float64))
        entries = round_second_order(stacked, factor, grid)
        error = output_errors(stacked - grid.values(entries), damped).reshape(tried.shape)
        best, each = error.argmin(axis=0), np.arange(len(target))
        better = error[best, each] < errors
        chosen = numbers[entries.reshape(*tried.shape, -1)[best, each]]
        found[better], steps[better] = chosen[better], tried[best, each][better]
        errors = np.minimum(errors, error[best, each])
    return found, steps, errors


def _in_parts(tried: npt.NDArray[np.float32], columns: int) -> list[npt.NDArray[np.float32]]:
    """The steps ``tried`` [tries, n] that rows of ``columns`` are rounded with, in parts of bounded size."""
    return np.array_split(tried, min(len(tried), -(-tried.size * columns // MOST_NUMBERS)))
