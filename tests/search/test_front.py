import numpy as np

from qcompile.search.budget import Budget
from qcompile.search.front import pareto_front, search_front
from qcompile.search.greedy import greedy_search
from qcompile.search.random_search import random_search
from qcompile.search.scoring import Scores
from tests.search.landscape import Landscape, resnet_like

SPACE = resnet_like((2, 4))
BUDGETS = [Budget(average_bits=bits) for bits in (3, 2.25, 2.5, 3.5)]


def test_each_budget_is_met_and_more_of_it_is_never_worse():
    results = search_front(SPACE, Scores(Landscape(SPACE, 0, coupling=1.0)), BUDGETS)
    assert all(budget.is_met(result.costs) for budget, result in zip(BUDGETS, results, strict=True))
    losses = [results[place].loss for place in (1, 2, 0, 3)]
    assert losses == sorted(losses, reverse=True)


def test_budgets_share_what_was_scored():
    landscape = Landscape(SPACE, 0, coupling=1.0)
    scores = Scores(landscape)
    search_front(SPACE, scores, BUDGETS)
    alone = [greedy_search(SPACE, Scores(landscape), budget).evaluations for budget in BUDGETS]
    assert scores.evaluations < 0.8 * sum(alone)


def test_a_tighter_budget_lends_its_plan_where_that_is_better():
    def search(space, scores, budget):
        return random_search(space, scores, budget, evaluations=1, seed=int(10 * budget.average_bits))

    landscape, budgets = Landscape(SPACE, 0), [Budget(average_bits=2.5 + place / 10) for place in range(6)]
    losses = [result.loss for result in search_front(SPACE, Scores(landscape), budgets, search)]
    assert losses == sorted(losses, reverse=True)


def test_the_front_is_what_no_other_beats():
    random = np.random.default_rng(0)
    points = [tuple(point) for point in random.integers(0, 9, (40, 2)).tolist()]

    def is_beaten(point):
        return any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in points)

    front = pareto_front(points)
    assert {points[place] for place in front} == {point for point in points if not is_beaten(point)}
    assert [points[place] for place in front] == sorted({points[place] for place in front})
    assert all(points.index(points[place]) == place for place in front)


def test_the_front_of_nothing_is_empty():
    assert pareto_front([]) == []
