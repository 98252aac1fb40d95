"""Means and covariances of what a layer reads, summed over batches in float64.

A layer's bias takes up what rounding does to the mean of an output, so only what varies about the mean counts.
"""

from dataclasses import dataclass

import numpy as np

from qcompile.rounding.grid import Doubles


@dataclass(frozen=True, eq=False)
class Moments:
    """What a layer reads in the float network, x, and behind rounded layers, y; by groups of channels.

    ``mean_before`` of x and ``mean`` of y are [group, k]; ``covariance`` of y with itself and ``shared`` of x (rows)
    with y (columns) are [group, k, k].
    """

    mean_before: Doubles
    mean: Doubles
    shared: Doubles
    covariance: Doubles


class MomentSums:
    """Sums from which ``Moments`` are made; two matrices [group, k, k] are held, however many batches come."""

    def __init__(self) -> None:
        self._rows = 0
        self._origin = self._before = self._after = np.zeros(0)
        self._shared = self._squares = np.zeros(0)

    def add(self, before: Doubles, after: Doubles) -> None:
        """Adds columns [group, rows, k] that are of the same samples in the float and in the rounded network.

        Where both are one array the work is done once.
        """
        if not before.shape[1]:
            return
        if not self._rows:
            self._begin(before)
        same = after is before
        before = before - self._origin
        after = before if same else after - self._origin
        squares = after.transpose(0, 2, 1) @ after
        self._rows += before.shape[1]
        self._before += before.sum(axis=1)
        self._after += after.sum(axis=1)
        self._squares += squares
        self._shared += squares if same else before.transpose(0, 2, 1) @ after

    def _begin(self, first: Doubles) -> None:
        # About the first mean: sums about zero would lose what varies little.
        self._origin = first.mean(axis=1, keepdims=True)
        group, _, k = first.shape
        self._before, self._after = np.zeros((2, group, k))
        self._shared, self._squares = np.zeros((2, group, k, k))

    def moments(self) -> Moments | None:
        """The moments of all that was added; None where that was no row."""
        if not self._rows:
            return None
        before, after = self._before / self._rows, self._after / self._rows
        origin = self._origin[:, 0]
        return Moments(
            mean_before=before + origin,
            mean=after + origin,
            shared=self._shared / self._rows - before[:, :, None] * after[:, None, :],
            covariance=self._squares / self._rows - after[:, :, None] * after[:, None, :],
        )
