"""Whether any plan meets a budget: the plan that comes nearest to it."""

from qcompile.bit_plan import LayerBits
from qcompile.search.budget import Budget, amounts, describe
from qcompile.search.costs import LayerCost
from qcompile.search.result import BudgetError
from qcompile.search.space import SearchSpace


def least_plan(space: SearchSpace, budget: Budget) -> dict[str, LayerBits]:
    """A plan that meets ``budget``, one of those that cost least.

    With one limit it is the plan that costs least, so a budget that it breaks no plan meets. So it is with several
    limits where the smallest bits of a layer cost least of each kind, as they do of bytes and operations. Where
    measured times say otherwise, layers go to whatever lowers the sum of what is over the limits, until none does.

    Raises BudgetError with the least cost if that plan breaks the budget.
    """
    plan = {layer.name: _cheapest(space, budget, layer) for layer in space.layers}
    while not budget.is_met(costs := space.costs(plan)):
        overs = {
            (layer.name, bits): budget.overrun(space.costs_after(costs, plan, {layer.name: bits}))
            for layer in space.layers
            for bits in layer.options()
        }
        (name, bits), best = min(overs.items(), key=lambda item: item[1])
        if best >= budget.overrun(costs):
            raise BudgetError(_message(space, budget, plan))
        plan[name] = bits
    return plan


def _cheapest(space: SearchSpace, budget: Budget, layer: LayerCost) -> LayerBits:
    """The option with the least sum of costs, each as a part of its limit."""
    return min(layer.options(), key=lambda bits: (sum(budget.ratios(space.costs_of(layer.name, bits))), bits))


def _message(space: SearchSpace, budget: Budget, plan: dict[str, LayerBits]) -> str:
    found = amounts(space.costs(plan))
    least = ",".join(describe(kind, found[kind] or 0.0) for kind in budget.limits())
    return (
        f"no plan found that meets {budget.as_text()}: the one that comes nearest costs {least}. "
        "Raise the budget, or allow smaller candidates."
    )
