"""Changes within a budget: more bits where they fit, and bits taken from one place for another."""

import math
from collections.abc import Iterator, Sequence

from qcompile.bit_plan import BitPlan
from qcompile.search.budget import Budget
from qcompile.search.costs import Costs
from qcompile.search.moves import LastKnown, Move, changed_layers, neighbours
from qcompile.search.space import SearchSpace

Exchange = tuple[Move, ...]


def exchanges(space: SearchSpace, budget: Budget, plan: BitPlan, known: LastKnown) -> list[Exchange]:
    """Groups of moves that lead from ``plan``, which meets ``budget``, to another plan that meets it.

    Single moves; a move up with one down that pays for it; a move up with the downs of least loss that pay for it
    together; a move down with the ups of most gain that fit behind it.
    """
    around = _Around(space, budget, plan)
    moves = neighbours(space.layers, plan)
    ups, downs = [m for m in moves if not m.is_down], [m for m in moves if m.is_down]
    fitting = [up for up in ups if around.meets([up])]
    found: list[Exchange] = [(move,) for move in (*fitting, *downs) if around.meets([move])]
    for up in ups:
        if up not in fitting:
            found += _paid(around, up, downs, known)
    found += [(down, *_spent(around, down, ups, known)) for down in downs]
    return list(dict.fromkeys(found))


class _Around:
    """A plan with its costs: what moves from it lead to."""

    def __init__(self, space: SearchSpace, budget: Budget, plan: BitPlan) -> None:
        self._space, self._budget, self._plan = space, budget, plan
        self._costs = space.costs(plan)

    def costs(self, moves: Sequence[Move]) -> Costs:
        return self._space.costs_after(self._costs, self._plan, changed_layers(self._plan, moves))

    def meets(self, moves: Sequence[Move]) -> bool:
        return self._budget.is_met(self.costs(moves))

    def saving(self, move: Move) -> float:
        """What ``move`` takes off the costs, in parts of the limits that matter, summed up; below zero if it adds."""
        before, after = (self._budget.ratios(costs) for costs in (self._costs, self.costs([move])))
        return sum(before) - sum(after)


def _paid(around: _Around, up: Move, downs: Sequence[Move], known: LastKnown) -> Iterator[Exchange]:
    """``up`` with each single move down that pays for it, and with several that do so together."""
    others = [down for down in downs if down.slot != up.slot]
    yield from ((up, down) for down in others if around.meets([up, down]))
    paying: list[Move] = []
    for down in sorted(others, key=lambda down: _price(around, down, known)):
        paying.append(down)
        if around.meets([up, *paying]):
            yield (up, *paying)
            return


def _spent(around: _Around, down: Move, ups: Sequence[Move], known: LastKnown) -> list[Move]:
    """The moves up, most gain for their cost first, that fit together behind ``down``."""
    bought: list[Move] = []
    for up in sorted(ups, key=lambda up: _price(around, up, known)):
        if up.slot != down.slot and (known.delta(up) or 0.0) < 0 and around.meets([down, *bought, up]):
            bought.append(up)
    return bought


def _price(around: _Around, move: Move, known: LastKnown) -> float:
    """The loss that ``move`` adds for a part of the limits that it saves, or takes off for a part that it costs."""
    delta, saving = known.delta(move), around.saving(move)
    if delta is None:
        return 0.0
    return delta / abs(saving) if saving else math.copysign(math.inf, delta)
