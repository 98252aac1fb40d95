"""One weight, rounded so that the outputs stay near those of the float network.

The network before the layer is rounded already: the layer reads y where the float network reads x. First the weight
that fits y best, of real numbers, is found (least squares, held near the trained weight), then that is rounded. What is
left of the difference of the means goes into the bias.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.passes.round_weights import round_to_grid, safe_steps
from qcompile.rounding.grid import Doubles, Grid, whole_numbers
from qcompile.rounding.moments import Moments
from qcompile.rounding.second_order import inverse_factor, output_errors, round_second_order

CUTS = np.linspace(0.4, 1.0, 16)  # of the largest weight of an output: where its grid may end
ONE_BIT_CUTS = np.linspace(0.5, 1.5, 16)  # of the mean size of the weights of an output
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


def round_rows(rows: npt.NDArray[np.float32], moments: Moments, bits: int, damping: float) -> RoundedRows:
    """``rows`` [n, k] rounded to ``bits`` bits, each group of rows by its own ``moments``.

    ``damping`` is the share of the mean variance that is added to each column's. No output has a larger error, so
    damped, than with the nearest numbers.
    """
    groups = len(moments.mean)
    parts = [
        _round_group(part, _of_group(moments, group), bits, damping)
        for group, part in enumerate(np.split(rows, groups))
    ]
    columns = ("numbers", "steps", "shift", "plain_error", "error", "variance")
    return RoundedRows(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def _of_group(moments: Moments, group: int) -> Moments:
    before, mean = moments.mean_before[group], moments.mean[group]
    return Moments(before, mean, moments.shared[group], moments.covariance[group])


def _round_group(rows: npt.NDArray[np.float32], moments: Moments, bits: int, damping: float) -> RoundedRows:
    """``rows`` [n, k] by the moments [k], [k, k] of one group."""
    weight = rows.astype(np.float64)
    damped = _damped(moments.covariance, damping)
    target = weight + np.linalg.solve(damped, (weight @ (moments.shared - moments.covariance)).T).T
    plain_numbers, plain_steps = round_to_grid(rows, bits)
    plain = plain_numbers * plain_steps[:, None].astype(np.float64)
    plain_error = output_errors(target - plain, damped)
    numbers, steps, error = _best_of_grids(target, damped, bits)
    worse = error > plain_error
    numbers[worse], steps[worse], error[worse] = plain_numbers[worse], plain_steps[worse], plain_error[worse]
    found = numbers * steps[:, None].astype(np.float64)
    shift = weight @ moments.mean_before - found @ moments.mean
    return RoundedRows(numbers, steps, shift, plain_error, error, output_errors(target, damped))


def _damped(covariance: Doubles, damping: float) -> Doubles:
    """``covariance`` with more on its diagonal: then columns that do not vary, or vary together, do no harm."""
    added = damping * np.diag(covariance).mean()
    damped: Doubles = covariance + (added or 1.0) * np.eye(len(covariance))
    return damped


def _best_of_grids(
    target: Doubles, damped: Doubles, bits: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32], Doubles]:
    """Numbers, steps and errors of each row of ``target`` with the grid, of those tried, of the least error."""
    factor, numbers = inverse_factor(damped), whole_numbers(bits)
    found = np.zeros(target.shape, np.int16)
    steps, errors = np.ones(len(target), np.float32), np.full(len(target), np.inf)
    for tried in _tried_steps(target, bits):  # [tries, n]
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


def _tried_steps(target: Doubles, bits: int) -> list[npt.NDArray[np.float32]]:
    """The steps [tries, n] that each row is rounded with, in parts of bounded size."""
    sizes = np.abs(target).mean(axis=1) if bits == 1 else np.abs(target).max(axis=1) / (2 ** (bits - 1) - 1)
    cuts = ONE_BIT_CUTS if bits == 1 else CUTS if bits < 8 else CUTS[-1:]
    steps = safe_steps(cuts[:, None] * sizes)
    return np.array_split(steps, min(len(steps), -(-steps.size * target.shape[1] // MOST_NUMBERS)))
