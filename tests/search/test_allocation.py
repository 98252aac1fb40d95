"""Allocation by what each layer adds: exact where layers are independent, against all plans."""

import pytest

from qcompile.bit_plan import LayerBits
from qcompile.errors import DataError
from qcompile.search.allocation import allocate, allocation_search, measure_deltas, measure_deltas_apart
from qcompile.search.budget import Budget
from qcompile.search.latency import LatencyTable
from qcompile.search.result import BudgetError
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace
from tests.search.landscape import Landscape, best_of_all, resnet_like, small_space

# Losses are sums of five numbers below 2; differences from a base bring as many roundings more.
ROUNDINGS = 40 * 2.0**-53


def budgets(space):
    costs = space.costs({layer.name: LayerBits(3, 3) for layer in space.layers})
    return [
        Budget(packed_bytes=costs.packed_bytes),
        Budget(bit_operations=costs.bit_operations),
        Budget(average_bits=2.9),
        Budget(latency_ms=costs.latency_ms),
    ]


def timed(space):
    """``space`` with a time for each option, not quite growing with the bits."""
    times = {
        layer.name: {bits: 0.01 * layer.positions * (bits.weight + (bits.activation % 3)) for bits in layer.options()}
        for layer in space.layers
    }
    return SearchSpace(space.layers, LatencyTable(times, other_ms=0.3))


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("seed", range(3))
def test_of_independent_layers_it_is_the_best_of_all_plans(kind, seed):
    space = timed(small_space(seed=seed))
    landscape, budget = Landscape(space, seed), budgets(space)[kind]
    scores = Scores(landscape)
    # Times are whole nanoseconds: cells enough for each of them make it exact.
    result = allocation_search(space, scores, budget, measure_deltas(space, scores), cells=10**7)
    assert budget.is_met(result.costs)
    assert result.loss == pytest.approx(best_of_all(space, landscape, budget), abs=ROUNDINGS)


def test_weights_and_activations_apart_take_few_evaluations_and_add_up():
    space = resnet_like()
    landscape = Landscape(space, 0)
    both, apart = Scores(landscape), Scores(landscape)
    deltas, sums = measure_deltas(space, both), measure_deltas_apart(space, apart)
    assert both.evaluations == 1 + 20 * 35
    assert apart.evaluations == 1 + 20 * 10
    for layer in space.layers:
        for bits in layer.options():
            assert sums[layer.name][bits] == pytest.approx(deltas[layer.name][bits], abs=ROUNDINGS)


def test_deltas_are_against_the_base_plan():
    space = small_space()
    landscape, base = Landscape(space, 0, coupling=1.0), space.smallest()
    deltas = measure_deltas(space, Scores(landscape), base)
    after = base | {"layer1": LayerBits(3, 4)}
    assert deltas["layer1"][LayerBits(3, 4)] == landscape(after) - landscape(base)
    assert deltas["layer1"][base["layer1"]] == 0


def test_several_limits_are_all_met_and_little_is_lost():
    for seed in range(4):
        space = timed(small_space(seed=seed))
        landscape = Landscape(space, seed)
        costs = space.costs({layer.name: LayerBits(3, 3) for layer in space.layers})
        budget = Budget(packed_bytes=costs.packed_bytes, bit_operations=costs.bit_operations, average_bits=3)
        scores = Scores(landscape)
        result = allocation_search(space, scores, budget, measure_deltas(space, scores), cells=2000)
        best = best_of_all(space, landscape, budget)
        assert budget.is_met(result.costs)
        # Prices leave holes between four layers of nine options, and exchanges fill nearly all.
        assert -ROUNDINGS <= result.loss - best <= 0.01 * (best - landscape.base)


def test_a_budget_that_no_plan_meets_is_an_error():
    space = small_space()
    deltas = measure_deltas(space, Scores(Landscape(space, 0)))
    with pytest.raises(BudgetError, match="costs bits=2"):
        allocate(space, deltas, Budget(average_bits=1.9))
    assert allocate(space, deltas, Budget(average_bits=2, bit_operations=1e12)) == {
        layer.name: LayerBits(2, 4) for layer in space.layers
    }


def test_deltas_that_lack_a_layer_are_refused():
    space = small_space()
    deltas = measure_deltas(space, Scores(Landscape(space, 0)))
    del deltas["layer2"]
    with pytest.raises(DataError, match="deltas: nothing for 'layer2'"):
        allocate(space, deltas, Budget(average_bits=3))
