"""The greedy search: against all plans, against the exact best of a chain, and on scores that mean nothing."""

import hashlib
import itertools
import math

import numpy as np
import pytest

from qcompile.bit_plan import LayerBits
from qcompile.errors import DataError, QCompileError
from qcompile.search.budget import Budget
from qcompile.search.costs import LayerCost
from qcompile.search.greedy import REFRESH, greedy_search
from qcompile.search.latency import LatencyTable
from qcompile.search.moves import neighbours
from qcompile.search.result import BudgetError
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace
from tests.search.landscape import Landscape, best_of_all, best_of_chain, resnet_like, small_space


def operations(space, bits):
    """The bit operations of uniform ``bits`` of weights and activations."""
    return sum(layer.multiply_adds for layer in space.layers) * bits * bits


def random_scores(seed):
    """A score without any sense: each plan's is drawn by itself, one in eight is infinite or no number."""

    def score(plan):
        digest = hashlib.sha256(f"{seed}{list(plan.items())}".encode()).digest()
        return [math.inf, math.nan][digest[1] % 2] if digest[0] < 32 else int.from_bytes(digest[2:6], "big") / 2**32

    return score


def retraced(result, start):
    """The plans of the steps, from ``start`` on."""
    plans = [dict(start)]
    for step in result.steps:
        plans.append(plans[-1] | step.changed)
    return plans


@pytest.mark.parametrize("refresh", [None, 1, 3])
def test_on_small_problems_it_is_near_the_best_of_all_plans(refresh):
    gaps = []
    for seed in range(6):
        space = small_space(seed=seed)
        landscape = Landscape(space, seed, coupling=0.5)
        budget = Budget(bit_operations=operations(space, 3))
        result = greedy_search(space, Scores(landscape), budget, refresh=refresh)
        best = best_of_all(space, landscape, budget)
        assert budget.is_met(result.costs)
        assert result.loss == landscape(result.plan)
        gaps.append((result.loss - best) / (best - landscape.base))
    assert min(gaps) >= 0
    # Exchanges end where no group of moves that they know helps: most of these problems are solved.
    assert np.median(gaps) == 0
    assert max(gaps) <= 0.1


@pytest.mark.parametrize("bits", [3, 4])
def test_on_a_network_it_is_within_two_percent_of_the_best_and_lazy_takes_a_fifth_of_the_evaluations(bits):
    space = resnet_like()
    landscape = Landscape(space, seed=bits, coupling=0.5)
    limit = operations(space, bits)
    cost_of = lambda layer, bits: space.costs_of(layer.name, bits).bit_operations  # noqa: E731
    best = best_of_chain(landscape, cost_of, limit) - landscape.base
    lazy, eager = (
        greedy_search(space, Scores(landscape), Budget(bit_operations=limit), refresh=refresh, evaluations=10_000)
        for refresh in (REFRESH, None)
    )
    for result in (lazy, eager):
        assert -1e-9 <= (result.loss - landscape.base) / best - 1 <= 0.02
    assert lazy.evaluations <= eager.evaluations / 5


def test_the_exact_best_of_a_chain_is_the_best_of_all_plans():
    space = small_space(layers=3, seed=4)
    landscape = Landscape(space, 4, coupling=1.0)
    limit = operations(space, 3)
    found = best_of_chain(landscape, lambda layer, bits: space.costs_of(layer.name, bits).bit_operations, limit)
    # Sums of six numbers below 2, in another order.
    assert found == pytest.approx(best_of_all(space, landscape, Budget(bit_operations=limit)), abs=1e-14)


def published_rule(space, score, budget):
    """Down from the largest plan by the least of 1.5 * loss / largest loss + cost / largest cost (arXiv 2401.01543)."""
    plan = space.largest()
    while not budget.is_met(space.costs(plan)):
        plans = [
            plan | {move.layer: bits_behind(plan, move)} for move in neighbours(space.layers, plan) if move.is_down
        ]
        losses = [score(each) for each in plans]
        costs = [space.costs(each).bit_operations for each in plans]
        ranks = [1.5 * a / max(losses) + b / max(costs) for a, b in zip(losses, costs, strict=True)]
        plan = plans[int(np.argmin(ranks))]
    return plan


def bits_behind(plan, move):
    bits = plan[move.layer]
    return LayerBits(move.after, bits.activation) if move.role == "weight" else LayerBits(bits.weight, move.after)


@pytest.mark.parametrize("seed", range(3))
def test_the_published_rule_does_no_better(seed):
    space = resnet_like()
    landscape = Landscape(space, seed, coupling=0.5)
    budget = Budget(bit_operations=operations(space, 4))
    ours = greedy_search(space, Scores(landscape), budget).loss - landscape.base
    theirs = landscape(published_rule(space, landscape, budget)) - landscape.base
    assert ours <= theirs


@pytest.mark.parametrize("refresh", [None, 1, 4])
@pytest.mark.parametrize("seed", range(8))
def test_it_ends_on_scores_without_sense_and_never_comes_back(seed, refresh):
    space = small_space(layers=5, widths=(2, 3, 4, 8), seed=seed)
    budget = Budget(bit_operations=operations(space, 4), packed_bytes=space.costs(space.largest()).packed_bytes * 0.8)
    result = greedy_search(space, Scores(random_scores(seed)), budget, refresh=refresh, evaluations=100_000)
    plans = [frozenset(plan.items()) for plan in retraced(result, space.largest())]
    assert len(set(plans)) == len(plans)
    assert plans[-1] == frozenset(result.plan.items())
    assert budget.is_met(result.costs)


def test_steps_lower_the_overrun_first_and_the_loss_then():
    space = small_space(layers=5, widths=(2, 3, 4, 8))
    landscape = Landscape(space, 0, coupling=1.0)
    budget = Budget(bit_operations=operations(space, 4))
    result = greedy_search(space, Scores(landscape), budget)
    overruns = [budget.overrun(step.costs) for step in result.steps]
    met = overruns.index(0.0)
    assert all(after < before for before, after in itertools.pairwise(overruns[: met + 1]))
    losses = [step.loss for step in result.steps[met:]]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == result.loss
    assert [step.evaluations for step in result.steps] == sorted(step.evaluations for step in result.steps)


def test_it_gives_the_same_answer_each_time():
    space, budget = resnet_like((2, 4, 8)), Budget(average_bits=3.5)
    landscape = Landscape(space, 2, coupling=1.0)
    assert greedy_search(space, Scores(landscape), budget) == greedy_search(space, Scores(landscape), budget)


def test_no_plan_is_scored_twice():
    space, asked = small_space(), []
    landscape = Landscape(space, 1)
    scores = Scores(lambda plan: asked.append(tuple(plan.items())) or landscape(plan))
    result = greedy_search(space, scores, Budget(average_bits=3))
    assert len(asked) == len(set(asked)) == result.evaluations
    assert greedy_search(space, scores, Budget(average_bits=3)).evaluations == 0


@pytest.mark.parametrize("limit", [1, 2, 10, 50, 150])
def test_few_evaluations_still_give_a_plan_within_the_budget_and_its_loss(limit):
    space = resnet_like((2, 4, 8))
    landscape = Landscape(space, 0)
    budget = Budget(bit_operations=operations(space, 4))
    result = greedy_search(space, Scores(landscape), budget, evaluations=limit)
    assert result.evaluations <= limit
    assert budget.is_met(result.costs)
    assert result.loss == landscape(result.plan)


def test_from_below_bits_go_up_as_far_as_the_budget_allows():
    space = small_space(seed=2)
    landscape = Landscape(space, 2)
    budget = Budget(bit_operations=operations(space, 3))
    result = greedy_search(space, Scores(landscape), budget, start=space.smallest())
    assert result.loss == best_of_all(space, landscape, budget)


def test_a_budget_that_all_plans_meet_keeps_the_largest():
    space = small_space()
    result = greedy_search(space, Scores(Landscape(space, 0)), Budget(average_bits=8))
    assert result.plan == space.largest()


def test_a_budget_that_no_plan_meets_is_an_error_with_the_least_cost():
    space = small_space()
    least = space.costs(space.smallest()).packed_bytes
    with pytest.raises(
        BudgetError, match=rf"meets bytes={least - 1}: the one that comes nearest costs bytes={least}\."
    ):
        greedy_search(space, Scores(Landscape(space, 0)), Budget(packed_bytes=least - 1))
    assert greedy_search(space, Scores(Landscape(space, 0)), Budget(packed_bytes=least)).costs.packed_bytes == least


def test_times_that_fall_only_where_both_widths_do_are_reached():
    layer = LayerCost("a", (4, 4), 1, 1, (2, 4, 8), (2, 4, 8))
    other = LayerCost("b", (4, 4), 1, 1, (8,), (8,))
    times = dict.fromkeys(layer.options(), 1.0) | {LayerBits(2, 2): 0.1, LayerBits(4, 8): 1.5}
    table = LatencyTable({"a": times, "b": {LayerBits(8, 8): 0.5}}, other_ms=0.2)
    space = SearchSpace((layer, other), table)
    result = greedy_search(space, Scores(Landscape(space, 0)), Budget(latency_ms=0.8))
    assert result.plan == {"a": LayerBits(2, 2), "b": LayerBits(8, 8)}
    with pytest.raises(BudgetError, match=r"costs latency=0\.8ms"):
        greedy_search(space, Scores(Landscape(space, 0)), Budget(latency_ms=0.79))


def test_a_time_that_is_missing_is_an_error_before_anything_is_scored():
    layer = LayerCost("a", (4, 4), 1, 1, (2, 4), (8,))
    space = SearchSpace((layer,), LatencyTable({"a": {LayerBits(4, 8): 1.0}}))
    scores = Scores(lambda plan: 0.0)
    with pytest.raises(DataError, match="layer a has no time at weight 2, activation 8 bits"):
        greedy_search(space, scores, Budget(latency_ms=0.8))
    assert scores.evaluations == 0


def test_layers_of_one_candidate_stay_as_they_are():
    first = LayerCost("first", (4, 4), 1, 9, (8,), (8,))
    space = SearchSpace((first, *small_space().layers))
    result = greedy_search(space, Scores(Landscape(space, 0)), Budget(average_bits=3))
    assert result.plan["first"] == LayerBits(8, 8)


def test_a_start_that_is_no_plan_of_the_space_is_refused():
    space = small_space()
    with pytest.raises(DataError, match=r"layer0: weight 7 and activation 2 bits; the candidates are \[2, 3, 4\]"):
        greedy_search(
            space,
            Scores(Landscape(space, 0)),
            Budget(average_bits=3),
            start=space.smallest() | {"layer0": LayerBits(7, 2)},
        )
    with pytest.raises(QCompileError, match="0 evaluations, wanted at least 1"):
        greedy_search(space, Scores(Landscape(space, 0)), Budget(average_bits=3), evaluations=0)
