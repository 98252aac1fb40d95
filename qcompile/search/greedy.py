"""The bidirectional greedy search: bits go down until a budget is met, then up and down for as long as it helps.

After Tang et al., arXiv 2401.01543, whose public code moves weights first and activations then, by the least of
1.5 * error / largest error + cost / largest cost. Here both move together; a move is judged by the loss that it adds
for each part of the budget that it saves, with no factor to choose; no plan comes twice; and it ends.

Why it ends. While a plan breaks the budget each step lowers the overrun, a number that depends on the plan alone.
Behind that every plan meets the budget, and each step lowers the loss, which depends on the plan alone too, as
scores are kept. There are finitely many plans, so neither falls for ever, and no plan comes twice.

Why not every move is scored at each step. On synthetic losses of 20 layers, whose best plan is known, scoring the two
best moves anew came within 0.2 percent of it on average, as scoring all did, with a tenth of the evaluations. Where
each plan's score has a random error, of 1 to 4 percent of what the best plan adds to the loss, that became 1.5
percent, and 0.7 with all moves scored: a batch large enough matters more than a search that is thorough.
"""

from collections.abc import Mapping

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.search.budget import Budget
from qcompile.search.descent import next_change
from qcompile.search.feasible import least_plan
from qcompile.search.improvement import better_change, refresh_all
from qcompile.search.moves import LastKnown
from qcompile.search.result import SearchResult, Step
from qcompile.search.scoring import Allowance, Scores
from qcompile.search.space import SearchSpace

REFRESH = 2
TRIES = 20
EVALUATIONS = 1000


def greedy_search(
    space: SearchSpace,
    scores: Scores,
    budget: Budget,
    *,
    start: BitPlan | None = None,
    refresh: int | None = REFRESH,
    tries: int = TRIES,
    evaluations: int = EVALUATIONS,
) -> SearchResult:
    """A plan that meets ``budget`` with a small loss, from ``start``, the largest plan if None.

    ``refresh`` is how many moves, the best by what is last known of them, each step down scores anew; None scores all.
    ``tries`` exchanges may fail before the search ends; ``evaluations`` is how many plans may be scored anew: what was
    known last decides when none is left.

    Raises BudgetError if no plan meets the budget; DataError if ``start`` is no plan of ``space``.
    """
    plan = dict(space.largest() if start is None else start)
    space.check(plan)
    walk = _Walk(space, budget, plan, Allowance(scores, evaluations))
    walk.descend(least_plan(space, budget), refresh)
    walk.improve(refresh, tries)
    return walk.result()


class _Walk:
    """A plan on its way, and the steps that it took."""

    def __init__(self, space: SearchSpace, budget: Budget, plan: BitPlan, allowance: Allowance) -> None:
        self._space, self._budget, self._allowance = space, budget, allowance
        self._plan = dict(plan)
        self._known = LastKnown(allowance, plan)
        self._steps: list[Step] = []

    def descend(self, target: BitPlan, refresh: int | None) -> None:
        """Goes on until the budget is met."""
        while not self._budget.is_met(self._space.costs(self._plan)):
            self._take(next_change(self._space, self._budget, self._plan, target, self._known, refresh))

    def improve(self, refresh: int | None, tries: int) -> None:
        """Goes on until no exchange lowers the loss.

        What is last known serves until it finds nothing more; then every move is tried once more.
        """
        while True:
            change = None
            if refresh is not None:
                change = better_change(self._space, self._budget, self._plan, self._known, self._allowance, tries)
            if change is None:
                refresh_all(self._space, self._plan, self._known)
                change = better_change(self._space, self._budget, self._plan, self._known, self._allowance, tries)
            if change is None:
                return
            self._take(change)

    def result(self) -> SearchResult:
        """Where it arrived; the plan is scored if it was not."""
        loss = self._allowance.scores(self._plan)
        costs = self._space.costs(self._plan)
        return SearchResult(self._plan, loss, costs, self._allowance.spent, tuple(self._steps))

    def _take(self, changed: Mapping[str, LayerBits]) -> None:
        self._plan |= changed
        self._known.stand_at(dict(self._plan))
        scores = self._allowance.scores
        loss = scores(self._plan) if scores.knows(self._plan) else None
        costs = self._space.costs(self._plan)
        self._steps.append(Step(dict(changed), loss, costs, self._allowance.spent))
