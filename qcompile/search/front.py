"""The best trades between cost and loss: several budgets, one set of scores."""

from collections.abc import Callable, Sequence

from qcompile.search.budget import Budget
from qcompile.search.greedy import greedy_search
from qcompile.search.result import SearchResult
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace

Search = Callable[[SearchSpace, Scores, Budget], SearchResult]


def search_front(
    space: SearchSpace, scores: Scores, budgets: Sequence[Budget], search: Search = greedy_search
) -> list[SearchResult]:
    """What ``search`` finds for each of ``budgets``, in their order, or for another one if that is better and meets it.

    A plan that one budget scored no other scores again, so the way down from the largest plan is paid for once.
    Raises BudgetError if no plan meets one of them.
    """
    found = [search(space, scores, budget) for budget in budgets]
    return [
        min((each for each in found if budget.is_met(each.costs)), key=lambda each: each.loss) for budget in budgets
    ]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the pairs (cost, loss) that no other beats, by cost ascending.

    A pair is beaten by one that is as good in both and better in one; of equal pairs the first stays.
    """
    front: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: (*points[place], place)):
        if not front or points[place][1] < points[front[-1]][1]:
            front.append(place)
    return front
