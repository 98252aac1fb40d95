"""Changes of one number of bits in a plan, and what each did to the loss when it was last tried."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.search.costs import LayerCost
from qcompile.search.scoring import Allowance

Role = Literal["weight", "activation"]


@dataclass(frozen=True)
class Move:
    """The bits of one layer's weight or activation, from ``before`` to ``after``."""

    layer: str
    role: Role
    before: int
    after: int

    @property
    def reverse(self) -> "Move":
        """The move back."""
        return Move(self.layer, self.role, self.after, self.before)

    @property
    def slot(self) -> tuple[str, Role]:
        """The number in a plan that it changes."""
        return self.layer, self.role

    @property
    def is_down(self) -> bool:
        """Whether bits become fewer."""
        return self.after < self.before


def lower(layers: Sequence[LayerCost], plan: BitPlan) -> Iterator[Move]:
    """All moves from ``plan`` to a smaller candidate, by layer, the weight's first, the nearest candidate first."""
    for layer in layers:
        for role, widths in _roles(layer):
            now = _bits(plan[layer.name], role)
            yield from (Move(layer.name, role, now, width) for width in reversed(widths) if width < now)


def neighbours(layers: Sequence[LayerCost], plan: BitPlan) -> list[Move]:
    """The moves from ``plan`` to the next candidate down and up, by layer, the weight's first."""
    moves = []
    for layer in layers:
        for role, widths in _roles(layer):
            now = _bits(plan[layer.name], role)
            place = widths.index(now)
            near = [*widths[max(place - 1, 0) : place], *widths[place + 1 : place + 2]]
            moves += [Move(layer.name, role, now, width) for width in near]
    return moves


def changed_layers(plan: BitPlan, moves: Iterable[Move]) -> dict[str, LayerBits]:
    """The bits of the layers that ``moves`` change, behind them all."""
    changed: dict[str, LayerBits] = {}
    for move in moves:
        bits = changed.get(move.layer, plan[move.layer])
        weight = move.after if move.role == "weight" else bits.weight
        activation = move.after if move.role == "activation" else bits.activation
        changed[move.layer] = LayerBits(weight, activation)
    return changed


def apply(plan: BitPlan, moves: Iterable[Move]) -> dict[str, LayerBits]:
    """``plan`` behind ``moves``."""
    return {**plan, **changed_layers(plan, moves)}


class LastKnown:
    """What moves did to the loss when they were last tried, at whatever plan that was.

    The way back of a move is known with it. ``stand_at`` says which plan moves start from now; what was measured at
    another plan is stale from then on.
    """

    def __init__(self, allowance: Allowance, plan: BitPlan) -> None:
        self._allowance = allowance
        self._deltas: dict[Move, float] = {}
        self._down: dict[tuple[str, Role], tuple[float, int]] = {}
        self._fresh: set[Move] = set()
        self._plan = plan

    def stand_at(self, plan: BitPlan) -> None:
        """Moves start from ``plan`` now."""
        self._plan = plan
        self._fresh = set()

    def delta(self, move: Move) -> float | None:
        """What the move added to the loss; None if neither it nor its reverse was ever tried."""
        return self._deltas.get(move)

    def guess(self, move: Move) -> float:
        """What a move down that was never tried may do, from the last one of the same number; infinite without one.

        The mean square of what rounding changes grows fourfold with each bit that is taken away.
        """
        before = self._down.get(move.slot)
        return math.inf if before is None else before[0] * 4.0 ** (before[1] - move.after)

    def is_fresh(self, move: Move) -> bool:
        """Whether its delta was measured at the plan where moves start now."""
        return move in self._fresh

    def can_measure(self, move: Move) -> bool:
        """Whether there are evaluations left for it."""
        return self._allowance.affords(self._plan, apply(self._plan, [move]))

    def measure(self, move: Move) -> float:
        """Tries ``move``: what it adds to the loss, which it keeps."""
        scores = self._allowance.scores
        delta = difference(scores(apply(self._plan, [move])), scores(self._plan))
        self._deltas[move], self._deltas[move.reverse] = delta, -delta
        if move.is_down:
            self._down[move.slot] = delta, move.after
        self._fresh.add(move)
        return delta


def difference(after: float, before: float) -> float:
    """``after`` - ``before``, zero where both are the same infinity."""
    return 0.0 if after == before else after - before


def _roles(layer: LayerCost) -> tuple[tuple[Role, tuple[int, ...]], ...]:
    return ("weight", layer.weight), ("activation", layer.activation)


def _bits(bits: LayerBits, role: Role) -> int:
    return bits.weight if role == "weight" else bits.activation
