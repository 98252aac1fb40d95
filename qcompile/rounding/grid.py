"""The values that a rounded weight may take: numbers that all outputs share, times a step of each output."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Entries = npt.NDArray[np.intp]


class Choices(Protocol):
    """What each of n rows may be rounded to: Grid, or the Levels of codebooks."""

    def nearest(self, values: Doubles) -> Entries:
        """Which is nearest to each of ``values`` [n], one a row; the lower of two."""

    def values(self, entries: Entries) -> Doubles:
        """What ``entries`` [n], one a row, or [n, k] stand for."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Values ``numbers`` [K] * ``steps`` [n]: whole numbers make it uniform, any others are a codebook.

    ``numbers`` rise; ``steps`` are above zero.
    """

    numbers: Doubles
    steps: Doubles

    def nearest(self, values: Doubles) -> Entries:
        """Which number is nearest to each of ``values`` [n], or [n, k] with the step of its row; the lower of two."""
        middles = (self.numbers[1:] + self.numbers[:-1]) / 2
        return np.searchsorted(middles, values / self._along(values))

    def values(self, entries: Entries) -> Doubles:
        """What ``entries`` [n], or [n, k], stand for."""
        found: Doubles = self.numbers[entries] * self._along(entries)
        return found

    def _along(self, array: npt.NDArray[np.generic]) -> Doubles:
        return self.steps.reshape(-1, *[1] * (array.ndim - 1))


def whole_numbers(bits: int) -> Doubles:
    """The numbers of ``bits`` signed bits; -1 and 1 for one bit."""
    return np.array([-1.0, 1.0]) if bits == 1 else np.arange(-(2.0 ** (bits - 1)), 2.0 ** (bits - 1))
