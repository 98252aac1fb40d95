"""Takes bits away, one number at a time, until a plan meets its budget."""

import math
from collections.abc import Callable

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.search.budget import Budget
from qcompile.search.moves import LastKnown, Move, changed_layers, lower
from qcompile.search.space import SearchSpace


def next_change(
    space: SearchSpace,
    budget: Budget,
    plan: BitPlan,
    target: BitPlan,
    known: LastKnown,
    refresh: int | None,
) -> dict[str, LayerBits]:
    """The layers, with their new bits, that bring ``plan`` nearer to ``budget`` at the best trade.

    A move's trade is what it adds to the loss for each part of the limits that it takes off the overrun; beyond the
    limits nothing is gained, so a move that saves more than is needed is worth no more. A move that does not add to
    the loss goes before all others: then the more it saves of both, the better. ``refresh`` says how many of the best
    moves are scored anew, None is all of them; what the others did is as it was last known.

    Where no number alone takes anything off, which only measured times can cause, all layers go to ``target``, a plan
    that meets the budget. Whatever is chosen, the overrun falls.
    """
    reliefs = _reliefs(space, budget, plan)
    if not reliefs:
        return {name: bits for name, bits in target.items() if plan[name] != bits}
    best = choose(list(reliefs), lambda move: trade(known, move, reliefs[move]), known, refresh)
    return changed_layers(plan, [best])


def trade(known: LastKnown, move: Move, relief: float) -> tuple[float, float]:
    """The loss for each part of relief, less is better, then the relief itself; a move never tried goes first.

    Where no evaluation is left to try it, what the last move of the same number did stands for it.
    """
    delta = known.delta(move)
    if delta is None and known.can_measure(move):
        return -math.inf, -relief
    if delta is None:
        delta = known.guess(move)
    return (delta / relief if delta > 0 else delta * relief), -relief


def choose(
    moves: list[Move], worth: Callable[[Move], tuple[float, float]], known: LastKnown, refresh: int | None
) -> Move:
    """The move of least ``worth`` when the ``refresh`` best are fresh: those that are not are tried until they are.

    A round tries one more of finitely many moves, so it ends. What no evaluation is left for stays as it is.
    """
    while True:
        best = sorted(moves, key=worth)
        stale = [move for move in best[:refresh] if not known.is_fresh(move) and known.can_measure(move)]
        if not stale:
            return best[0]
        for move in stale:
            if known.can_measure(move):
                known.measure(move)


def _reliefs(space: SearchSpace, budget: Budget, plan: BitPlan) -> dict[Move, float]:
    """By move to the nearest candidate that takes anything off the overrun: how much it takes off."""
    costs = space.costs(plan)
    over = budget.overrun(costs)
    reliefs: dict[Move, float] = {}
    taken = set()
    for move in lower(space.layers, plan):
        relief = over - budget.overrun(space.costs_after(costs, plan, changed_layers(plan, [move])))
        if relief > 0 and move.slot not in taken:
            taken.add(move.slot)
            reliefs[move] = relief
    return reliefs
