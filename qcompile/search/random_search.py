"""The control of the other searches: the best of some random plans that meet the budget."""

import numpy as np

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import QCompileError
from qcompile.search.budget import Budget
from qcompile.search.feasible import least_plan
from qcompile.search.moves import Move, apply, changed_layers, neighbours
from qcompile.search.result import SearchResult, Step
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace

_DRAWS = 20  # for each plan that is wanted, before it is taken that there are no others


def random_search(
    space: SearchSpace, scores: Scores, budget: Budget, *, evaluations: int, seed: int = 0
) -> SearchResult:
    """The best of ``evaluations`` different plans from ``random_plan``; fewer where there are not so many.

    Steps are the plans that were better than all before. Raises BudgetError if no plan meets the budget, QCompileError
    if ``evaluations`` is below 1.
    """
    if evaluations < 1:
        raise QCompileError(f"random search: {evaluations} evaluations, wanted at least 1")
    random = np.random.default_rng(seed)
    before, drawn = scores.evaluations, set[frozenset[tuple[str, LayerBits]]]()
    best: dict[str, LayerBits] | None = None
    steps: list[Step] = []
    for _ in range(_DRAWS * evaluations):
        if len(drawn) == evaluations:
            break
        plan = random_plan(space, budget, random)
        drawn.add(frozenset(plan.items()))
        if best is None or scores(plan) < scores(best):
            best = plan
            steps.append(Step(plan, scores(plan), space.costs(plan), scores.evaluations - before))
    assert best is not None
    return SearchResult(best, scores(best), space.costs(best), scores.evaluations - before, tuple(steps))


def random_plan(space: SearchSpace, budget: Budget, random: np.random.Generator) -> dict[str, LayerBits]:
    """A plan that meets ``budget`` and that no single candidate more keeps within it.

    Each number of bits is drawn evenly from its candidates; then random ones go down until the budget is met, then up
    while any fits: plans far below a budget would be no match for a search. Raises BudgetError if no plan meets it.
    """
    plan: BitPlan = {layer.name: layer.options()[random.integers(len(layer.options()))] for layer in space.layers}
    while not budget.is_met(space.costs(plan)):
        downs = [move for move in neighbours(space.layers, plan) if move.is_down]
        if not downs:  # times that fall with more bits
            plan = least_plan(space, budget)
            break
        plan = apply(plan, [downs[random.integers(len(downs))]])
    while (up := _random_up(space, budget, plan, random)) is not None:
        plan = apply(plan, [up])
    return dict(plan)


def _random_up(space: SearchSpace, budget: Budget, plan: BitPlan, random: np.random.Generator) -> Move | None:
    """A move up from ``plan`` that the budget allows, each as likely; None if there is none."""
    costs = space.costs(plan)
    ups = [move for move in neighbours(space.layers, plan) if not move.is_down]
    order: list[int] = random.permutation(len(ups)).tolist()
    fitting = (
        ups[place]
        for place in order
        if budget.is_met(space.costs_after(costs, plan, changed_layers(plan, [ups[place]])))
    )
    return next(fitting, None)
