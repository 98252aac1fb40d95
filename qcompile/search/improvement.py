"""Exchanges bits within a budget for as long as that lowers the loss."""

from collections.abc import Sequence

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.search.budget import Budget
from qcompile.search.exchange import Exchange, exchanges
from qcompile.search.moves import LastKnown, apply, changed_layers, neighbours
from qcompile.search.scoring import Allowance
from qcompile.search.space import SearchSpace


def better_change(
    space: SearchSpace, budget: Budget, plan: BitPlan, known: LastKnown, allowance: Allowance, tries: int
) -> dict[str, LayerBits] | None:
    """The layers, with their new bits, of an exchange that lowers the loss within ``budget``; None if none was found.

    Exchanges are taken by the sum of what their moves last did. Stale moves of the first one are tried anew and it
    goes back into the queue, until the first is fresh; then it is scored itself, since moves act on each other.
    ``tries`` such scores may fail. Ends, as each round makes a move fresh, or an exchange tried.
    """
    queue = exchanges(space, budget, plan, known)
    failed: set[Exchange] = set()
    while len(failed) < tries:
        first = _first([exchange for exchange in queue if exchange not in failed], known)
        if first is None:
            return None
        stale = [move for move in first if not known.is_fresh(move)]
        if stale and not all(known.can_measure(move) for move in stale):
            return None
        for move in stale:
            if known.can_measure(move):
                known.measure(move)
        if not stale:
            after = apply(plan, first)
            if not allowance.affords(after):
                return None
            if allowance.scores(after) < allowance.scores(plan):
                return changed_layers(plan, first)
            failed.add(first)
    return None


def refresh_all(space: SearchSpace, plan: BitPlan, known: LastKnown) -> None:
    """Tries every move from ``plan`` that is stale, as far as evaluations last."""
    for move in neighbours(space.layers, plan):
        if not known.is_fresh(move) and known.can_measure(move):
            known.measure(move)


def _first(queue: Sequence[Exchange], known: LastKnown) -> Exchange | None:
    """The exchange that should lower the loss most; a move never tried promises most. None if none should lower it."""
    best, least = None, 0.0
    for exchange in queue:
        deltas = [known.delta(move) for move in exchange]
        promised = sum(delta for delta in deltas if delta is not None) if None not in deltas else float("-inf")
        if promised < least:
            best, least = exchange, promised
    return best
