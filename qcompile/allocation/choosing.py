"""The plan of a target: by the sum of what layers do alone; for a drop, the smallest that keeps it when compiled."""

from collections.abc import Callable, Sequence

from qcompile.allocation.budgets import Drop
from qcompile.allocation.result import PlanTrial
from qcompile.allocation.sensitivity import Sensitivity
from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.search import Budget, BudgetError, SearchSpace, allocate

STEPS = 6  # of the bisection: the bytes are found to a 64th of what lies between the smallest and the largest plan

Try = Callable[[BitPlan], PlanTrial]


def plan_of_budget(space: SearchSpace, sensitivities: Sequence[Sensitivity], budget: Budget) -> dict[str, LayerBits]:
    """The plan of least summed changes of the outputs that meets ``budget``. Raises BudgetError if none does."""
    changes = {each.name: each.changes for each in sensitivities}
    deltas = {
        layer.name: {bits: changes[layer.name][bits.weight] for bits in layer.options()} for layer in space.layers
    }
    return allocate(space, deltas, budget)


def plans_of_drop(
    space: SearchSpace, sensitivities: Sequence[Sensitivity], drop: Drop, try_plan: Try
) -> tuple[PlanTrial, tuple[PlanTrial, ...]]:
    """The smallest plan tried that keeps ``drop``, and all that were tried, by halving what is not known of the bytes.

    Takes ``STEPS`` compilations at most, one more where none of these keeps it. Raises BudgetError if the largest plan
    does not.
    """
    tried = _bisect(space, sensitivities, drop, try_plan)
    if not any(_keeps(trial, drop) for trial in tried):
        tried.append(try_plan(space.largest()))
    kept = [trial for trial in tried if _keeps(trial, drop)]
    if not kept:
        raise BudgetError(
            f"no plan found that keeps {drop.as_text()}: with the largest candidates the model "
            f"{tried[-1].agreement.as_text()}. Allow more, give larger --widths or --activation-bits, or more samples."
        )
    return min(kept, key=lambda trial: space.costs(trial.plan).packed_bytes), tuple(tried)


def _bisect(space: SearchSpace, sensitivities: Sequence[Sensitivity], drop: Drop, try_plan: Try) -> list[PlanTrial]:
    """Plans of budgets that halve, time and again, the bytes in which the smallest one may lie; each tried once."""
    low, high = (space.costs(plan).packed_bytes for plan in (space.smallest(), space.largest()))
    tried: list[PlanTrial] = []
    while low <= high and len(tried) < STEPS:
        limit = (low + high) // 2
        plan = plan_of_budget(space, sensitivities, Budget(packed_bytes=limit))
        known = [trial for trial in tried if trial.plan == plan]
        tried += [] if known else [try_plan(plan)]
        if _keeps(known[0] if known else tried[-1], drop):
            high = min(limit, space.costs(plan).packed_bytes) - 1
        else:
            low = limit + 1
    return tried


def nearest_uniform(space: SearchSpace, plan: BitPlan, budget: Budget) -> dict[str, LayerBits]:
    """The plan of one width whose cost, of the first kind that ``budget`` limits, is nearest to that of ``plan``."""
    widths = sorted({width for layer in space.layers for width in layer.weight})
    [cost, *_] = budget.ratios(space.costs(plan))
    plans = [{layer.name: LayerBits(width, layer.activation[0]) for layer in space.layers} for width in widths]
    return min(plans, key=lambda each: abs(budget.ratios(space.costs(each))[0] - cost))


def _keeps(trial: PlanTrial, drop: Drop) -> bool:
    share = trial.agreement.drop
    return share is not None and share <= drop.share
