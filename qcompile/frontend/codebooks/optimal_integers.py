"""The best codebook of integers for rows of weights whose scales are known: the global optimum, by dynamic programming.

The weights of row j go to s_j * c for the nearest integer c of the codebook. Between neighbouring entries c < d they
part at s_j * (c + d) / 2, so that all that is needed of all rows is, at each half integer h, the sum over the weights
at most s_j * h of s_j**2 and of s_j * w. The least error of a codebook is then a shortest path through the grid.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from qcompile.frontend.codebooks.kmeans import count_at_most
from qcompile.frontend.codebooks.running_sums import RunningSums

Floats = npt.NDArray[np.float64]
GREATEST = 127  # of the grid -127..127
_GRID = np.arange(-GREATEST, GREATEST + 1, dtype=np.float64)
_PLACES = np.arange(0, 4 * GREATEST + 1, 2)  # of the integers among the half integers


@dataclass(frozen=True, eq=False)
class SortedRows:
    """``weights`` float32 [rows, weights], rising along a row, and their running ``sums``.

    ``square`` is the sum of all squared weights.
    """

    weights: torch.Tensor
    sums: RunningSums
    square: float

    @classmethod
    def of(cls, ordered: torch.Tensor) -> "SortedRows":
        """``ordered`` with its running sums."""
        return cls(ordered, RunningSums.of(ordered), float(ordered.square().sum(dtype=torch.float64)))

    def up_to(self, limits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How many weights of each row are at most each of its limits, and their sum: float64 [rows, limits]."""
        counts = count_at_most(self.weights, limits)
        return counts.double(), self.sums.before(counts)

    def shares(self, entries: torch.Tensor, scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How many weights of each row are nearest to each entry times its scale, and their sum: [rows, entries]."""
        middles = scales[:, None] * (entries[1:] + entries[:-1]) / 2
        ends = torch.full_like(scales, torch.inf)[:, None]
        counts, sums = self.up_to(torch.cat([-ends, middles, ends], dim=1))
        return counts.diff(dim=1), sums.diff(dim=1)

    def means_of_entries(self, entries: torch.Tensor, scales: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The best real values in place of ``entries``, for the weights that go to them, and what their errors count.

        float64 [entries]; an entry without weights stays, and counts nothing.
        """
        counts, sums = self.shares(entries, scales)
        masses = scales.square() @ counts
        return torch.where(masses > 0, scales @ sums / masses, entries), masses


def optimal_integers(rows: SortedRows, scales: torch.Tensor, entries: int) -> tuple[torch.Tensor, float]:
    """The ``entries`` (1 to 255) integers c from -127 to 127 with the least sum (w - s c)**2, and that less sum w**2.

    ``scales`` is float64 [rows], not negative; the integers are float64 [entries] and rise.
    """
    squares, products = _sum_at_half_integers(rows, scales)
    between = _errors_between(squares, products)
    first = _error_of(_GRID, squares[_PLACES], products[_PLACES])
    last = _error_of(_GRID, squares[-1] - squares[_PLACES], products[-1] - products[_PLACES])
    chosen = np.zeros((entries, len(_GRID)), np.int64)
    errors = first
    for k in range(1, entries):
        paths = errors[:, None] + between
        chosen[k] = paths.argmin(axis=0)
        errors = paths.min(axis=0)
    whole = errors + last
    path = [int(whole.argmin())]
    for k in range(entries - 1, 0, -1):
        path.append(int(chosen[k, path[-1]]))
    return torch.from_numpy(_GRID[path[::-1]]), float(whole.min())


def optimal_scales_of_rows(rows: SortedRows, entries: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Least squares for each row's scale, at least 0, with the weights where ``entries`` and ``scales`` put them.

    A row whose weights all go to 0 keeps its scale.
    """
    counts, sums = rows.shares(entries, scales)
    squares = counts @ entries.square()
    return torch.where(squares > 0, (sums @ entries / squares).clamp(min=0), scales)


def _sum_at_half_integers(rows: SortedRows, scales: torch.Tensor) -> tuple[Floats, Floats]:
    """Sums of s**2 and of s * w over the weights at most s * h, for h = -127, -126.5, ..., 127, and over all."""
    halves = torch.arange(-2 * GREATEST, 2 * GREATEST + 1, dtype=torch.float64) / 2
    ends = torch.full_like(scales, torch.inf)[:, None]
    counts, sums = rows.up_to(torch.cat([scales[:, None] * halves, ends], dim=1))
    return (scales.square() @ counts).numpy(), (scales @ sums).numpy()


def _errors_between(squares: Floats, products: Floats) -> Floats:
    """The error of the weights between two neighbouring entries: [lower, upper]; infinite unless lower < upper."""
    middles = (_PLACES[:, None] + _PLACES) // 2
    low = _error_of(
        _GRID[:, None], squares[middles] - squares[_PLACES, None], products[middles] - products[_PLACES, None]
    )
    high = _error_of(_GRID, squares[_PLACES] - squares[middles], products[_PLACES] - products[middles])
    return np.where(_PLACES[:, None] < _PLACES, low + high, np.inf)


def _error_of(entries: Floats, squares: Floats, products: Floats) -> Floats:
    """Sum (w - s c)**2 - w**2 over weights with these sums of s**2 and s * w."""
    errors: Floats = entries * (entries * squares - 2 * products)
    return errors
