"""Greedy search from several plans: one way down may end in a plan that a uniform one beats."""

from qcompile.bit_plan import LayerBits, nearest_width
from qcompile.search.budget import Budget
from qcompile.search.greedy import EVALUATIONS, greedy_search
from qcompile.search.result import SearchResult
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace


def search_from_starts(
    space: SearchSpace, scores: Scores, budget: Budget, *, evaluations: int = EVALUATIONS
) -> SearchResult:
    """The best of greedy searches from the largest plan and from the largest uniform one that meets ``budget``.

    So it is never worse than that uniform plan. ``evaluations`` are for both together; what the first leaves, at least
    one, is the second's. Raises BudgetError if no plan meets the budget.
    """
    found = greedy_search(space, scores, budget, evaluations=evaluations)
    start = largest_uniform(space, budget)
    if start is None:
        return found
    left = max(1, evaluations - found.evaluations)
    other = greedy_search(space, scores, budget, start=start, evaluations=left)
    best = min(found, other, key=lambda result: result.loss)
    return SearchResult(best.plan, best.loss, best.costs, found.evaluations + other.evaluations, best.steps)


def largest_uniform(space: SearchSpace, budget: Budget) -> dict[str, LayerBits] | None:
    """The plan of most bits, as many in each layer, that meets ``budget``; None where there is none.

    A layer that cannot have so many has the nearest below, or else its fewest.
    """
    widths = sorted({bits for layer in space.layers for bits in (*layer.weight, *layer.activation)}, reverse=True)
    plans = (uniform_plan(space, bits) for bits in widths)
    return next((plan for plan in plans if budget.is_met(space.costs(plan))), None)


def uniform_plan(space: SearchSpace, bits: int) -> dict[str, LayerBits]:
    """Every layer at its largest candidates that are not above ``bits``, or its smallest where all are."""
    return {
        layer.name: LayerBits(nearest_width(layer.weight, bits), nearest_width(layer.activation, bits))
        for layer in space.layers
    }
