import numpy as np
import pytest

from qcompile.bit_plan import LayerBits
from qcompile.errors import QCompileError
from qcompile.search.budget import Budget
from qcompile.search.costs import LayerCost
from qcompile.search.latency import LatencyTable
from qcompile.search.moves import apply, neighbours
from qcompile.search.random_search import random_plan, random_search
from qcompile.search.result import BudgetError
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace
from tests.search.landscape import Landscape, resnet_like, small_space


def test_random_plans_meet_the_budget_and_leave_nothing_that_fits():
    space, random = resnet_like(), np.random.default_rng(0)
    budget = Budget(average_bits=3.3, bit_operations=0.4e9)
    plans = [random_plan(space, budget, random) for _ in range(3)]
    for plan in plans:
        space.check(plan)
        assert budget.is_met(space.costs(plan))
        ups = [move for move in neighbours(space.layers, plan) if not move.is_down]
        assert not any(budget.is_met(space.costs(apply(plan, [move]))) for move in ups)
    assert len({tuple(plan.items()) for plan in plans}) == 3


def test_it_is_the_best_of_as_many_plans_as_were_asked_for():
    space = resnet_like()
    landscape, budget, asked = Landscape(space, 0), Budget(average_bits=4), []
    scores = Scores(lambda plan: asked.append(landscape(plan)) or asked[-1])
    result = random_search(space, scores, budget, evaluations=8, seed=3)
    assert (result.evaluations, result.loss) == (8, min(asked))
    assert [step.loss for step in result.steps] == sorted((step.loss for step in result.steps), reverse=True)
    assert result == random_search(space, Scores(landscape), budget, evaluations=8, seed=3)
    assert result.plan != random_search(space, Scores(landscape), budget, evaluations=8, seed=4).plan


def test_it_ends_where_there_are_fewer_plans_than_were_asked_for():
    space = SearchSpace(small_space(layers=1).layers)
    result = random_search(space, Scores(Landscape(space, 0)), Budget(average_bits=3), evaluations=50)
    assert result.evaluations == 1  # weights of 3 bits, activations of 4: all others leave something that fits


def test_times_that_fall_with_more_bits_are_met_too():
    layer = LayerCost("a", (4, 4), 1, 1, (2, 4), (8,))
    table = LatencyTable({"a": {LayerBits(2, 8): 2.0, LayerBits(4, 8): 1.0}})
    space = SearchSpace((layer,), table)
    plan = random_plan(space, Budget(latency_ms=1.5), np.random.default_rng(0))
    assert plan == {"a": LayerBits(4, 8)}


def test_what_cannot_be_is_an_error():
    space = small_space()
    scores = Scores(Landscape(space, 0))
    with pytest.raises(BudgetError):
        random_search(space, scores, Budget(average_bits=1.5), evaluations=3)
    with pytest.raises(QCompileError, match="0 evaluations, wanted at least 1"):
        random_search(space, scores, Budget(average_bits=3), evaluations=0)
