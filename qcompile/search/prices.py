"""Several limits at once: one by dynamic programming, each further one by a price (Everett 1963)."""

from collections.abc import Sequence

import numpy as np

from qcompile.search.knapsack import Amounts, Losses, cheapest_choice

_HALVINGS = 30  # of a price: known to a billionth of where it began
_DOUBLINGS = 100


def choose_within(losses: Losses, costs: Sequence[Amounts], limits: Sequence[int], cells: int) -> list[int] | None:
    """The option of each layer, by place, with a small sum of losses and each sum of costs within its limit.

    ``costs`` has the costs of all layers for each of ``limits``. The first limit is kept by ``cheapest_choice``; each
    further one by adding its costs to the losses, at the lowest price at which it is kept. Of all choices on the way
    that keep it, the one of least loss. None if there is no such price.
    """
    if len(limits) == 1:
        return cheapest_choice(losses, costs[0], limits[0], cells)
    *others, last = costs

    def at(price: float) -> list[int] | None:
        priced = [row + price * cost / limits[-1] for row, cost in zip(losses, last, strict=True)]
        chosen = choose_within(priced, others, limits[:-1], cells)
        return chosen if chosen is not None and _sum(last, chosen) <= limits[-1] else None

    free = at(0.0)
    if free is not None:
        return free
    low, high = 0.0, _largest(losses)
    found: list[list[int]] = []
    for _ in range(_DOUBLINGS):
        if (chosen := at(high)) is not None:
            found.append(chosen)
            break
        low, high = high, 2 * high
    for _ in range(_HALVINGS if found else 0):
        price = (low + high) / 2
        chosen = at(price)
        low, high = (price, high) if chosen is None else (low, price)
        found += [] if chosen is None else [chosen]
    return min(found, key=lambda chosen: _sum(losses, chosen), default=None)


def _sum(rows: Losses | Amounts, chosen: Sequence[int]) -> float:
    return sum(float(row[place]) for row, place in zip(rows, chosen, strict=True))


def _largest(losses: Losses) -> float:
    """The largest finite size of a loss, 1 if all are zero."""
    sizes = np.abs(np.concatenate(list(losses)))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0)) or 1.0
