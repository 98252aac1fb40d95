"""Searching from several plans: never worse than a uniform one, whatever the scores."""

import hashlib

import pytest

from qcompile.bit_plan import LayerBits
from qcompile.search.budget import Budget
from qcompile.search.costs import LayerCost
from qcompile.search.greedy import greedy_search
from qcompile.search.result import BudgetError
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace
from qcompile.search.starts import largest_uniform, search_from_starts, uniform_plan
from tests.search.landscape import small_space

MIXED = SearchSpace(
    (
        LayerCost("first", (4, 3), 1, 9, (8,), (8,)),
        LayerCost("depthwise", (4, 1, 3, 3), 4, 9, (3, 4, 6), (3, 4, 6)),
        LayerCost("last", (2, 4), 1, 1, (2, 4), (2, 4)),
    )
)


def senseless(seed):
    def score(plan):
        return int.from_bytes(hashlib.sha256(f"{seed}{list(plan.items())}".encode()).digest()[:4], "big") / 2**32

    return score


def test_a_layer_that_cannot_have_the_bits_has_the_nearest_below_or_its_fewest():
    assert uniform_plan(MIXED, 5) == {
        "first": LayerBits(8, 8),
        "depthwise": LayerBits(4, 4),
        "last": LayerBits(4, 4),
    }
    assert uniform_plan(MIXED, 2)["depthwise"] == LayerBits(3, 3)


def test_the_largest_uniform_plan_is_the_one_before_the_budget_ends():
    costs = MIXED.costs(uniform_plan(MIXED, 4)).bit_operations
    assert largest_uniform(MIXED, Budget(bit_operations=costs)) == uniform_plan(MIXED, 4)
    assert largest_uniform(MIXED, Budget(bit_operations=costs - 1)) == uniform_plan(MIXED, 3)
    assert largest_uniform(MIXED, Budget(bit_operations=1)) is None


@pytest.mark.parametrize("seed", range(20))
def test_no_uniform_plan_of_the_budget_and_no_single_search_is_better(seed):
    space = small_space(seed=seed)
    budget = Budget(bit_operations=space.costs(uniform_plan(space, 3)).bit_operations)
    scores = Scores(senseless(seed))
    found = search_from_starts(space, scores, budget)
    assert budget.is_met(found.costs)
    assert found.loss == scores(found.plan) <= scores(uniform_plan(space, 3))
    assert found.loss <= greedy_search(space, scores, budget).loss
    assert found.evaluations <= scores.evaluations


def test_few_evaluations_are_enough_for_an_answer():
    space = small_space()
    budget = Budget(bit_operations=space.costs(uniform_plan(space, 3)).bit_operations)
    assert budget.is_met(search_from_starts(space, Scores(senseless(0)), budget, evaluations=1).costs)


def test_a_budget_that_no_plan_meets_is_an_error():
    with pytest.raises(BudgetError):
        search_from_starts(MIXED, Scores(senseless(0)), Budget(bit_operations=1))
