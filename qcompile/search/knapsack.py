"""The multiple-choice knapsack: one option for each layer, the least sum of losses, costs within a limit."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CELLS = 20_000
Losses = Sequence[npt.NDArray[np.float64]]
Amounts = Sequence[npt.NDArray[np.int64]]


def cheapest_choice(losses: Losses, costs: Amounts, limit: int, cells: int = CELLS) -> list[int] | None:
    """The option of each layer, by place, with the least sum of losses and costs up to ``limit``; None if none fits.

    ``losses`` and ``costs`` have an array [options] for each layer; costs are whole numbers. Dynamic programming over
    what is spent beyond the cheapest options, in cells. Where the common divisor of costs makes at most ``cells`` of
    them the choice is exact. Else a cell is a ``cells``-th of what may be spent, and each option's cost is rounded up
    to whole cells: so the limit holds, and at most a cell for each layer is left unspent for it. Of equal sums the one
    with earlier options wins.
    """
    spare = limit - sum(int(row.min()) for row in costs)
    if spare < 0:
        return None
    extra = [row - row.min() for row in costs]
    unit = max(1, math.gcd(*(int(cost) for row in extra for cost in row)), -(-spare // cells))
    if unit > 1 and any((row % unit).any() for row in extra):
        extra = [row + (-row) % unit for row in extra]
    return _fill(losses, [row // unit for row in extra], spare // unit)


def _fill(losses: Losses, steps: Amounts, cells: int) -> list[int]:
    """The best choice that takes up to ``cells`` cells; the cheapest option of each layer takes none."""
    best = np.zeros(cells + 1)  # the least loss of the layers so far in up to so many cells
    choices = []
    for row, taken in zip(losses, steps, strict=True):
        after, choice = np.full(cells + 1, np.inf), np.full(cells + 1, int(taken.argmin()))
        for option, (loss, step) in enumerate(zip(row.tolist(), taken.tolist(), strict=True)):
            if step <= cells:
                reached = best[: cells + 1 - step] + loss
                better = reached < after[step:]
                after[step:][better] = reached[better]
                choice[step:][better] = option
        best = after
        choices.append(choice)
    return _walk_back(choices, steps, cells)


def _walk_back(choices: Sequence[npt.NDArray[np.int64]], steps: Amounts, cells: int) -> list[int]:
    chosen = []
    for choice, taken in zip(reversed(choices), reversed(steps), strict=True):
        chosen.append(int(choice[cells]))
        cells -= int(taken[chosen[-1]])
    return chosen[::-1]
