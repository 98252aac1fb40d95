"""The rows of a weight that read the same channels, with the real numbers that would be best for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.rounding.grid import Doubles
from qcompile.rounding.moments import Moments


@dataclass(frozen=True, eq=False)
class Group:
    """The rows [n, k] of one group, by its ``moments``, [k] and [k, k].

    ``target`` [n, k] is the weight of real numbers that fits what the layer reads now best, least squares held near
    the trained weight; ``damped`` [k, k], positive definite, is what the errors of its numbers count.
    """

    rows: npt.NDArray[np.float32]
    moments: Moments
    target: Doubles
    damped: Doubles

    def shift(self, values: Doubles) -> Doubles:
        """What is to be added to each output for it to keep its mean with the weight ``values`` [n, k]: [n]."""
        found: Doubles = self.rows.astype(np.float64) @ self.moments.mean_before - values @ self.moments.mean
        return found


def groups_of(rows: npt.NDArray[np.float32], moments: Moments, damping: float) -> list[Group]:
    """The groups of ``rows`` [n, k] by ``moments``, [group, ...].

    ``damping`` is the share of the mean variance that is added to each column's: then columns that do not vary, or
    vary together, do no harm.
    """
    parts = np.split(rows, len(moments.mean))
    return [_group(part, _of_group(moments, number), damping) for number, part in enumerate(parts)]


def _group(rows: npt.NDArray[np.float32], moments: Moments, damping: float) -> Group:
    weight, damped = rows.astype(np.float64), _damped(moments.covariance, damping)
    target = weight + np.linalg.solve(damped, (weight @ (moments.shared - moments.covariance)).T).T
    return Group(rows, moments, target, damped)


def _of_group(moments: Moments, group: int) -> Moments:
    before, mean = moments.mean_before[group], moments.mean[group]
    return Moments(before, mean, moments.shared[group], moments.covariance[group])


def _damped(covariance: Doubles, damping: float) -> Doubles:
    added = damping * np.diag(covariance).mean()
    damped: Doubles = covariance + (added or 1.0) * np.eye(len(covariance))
    return damped
