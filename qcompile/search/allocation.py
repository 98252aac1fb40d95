"""The integer-programming answer: bits by what each layer alone adds to the loss, as if layers were independent."""

import math
from collections.abc import Mapping

import numpy as np

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import DataError
from qcompile.search.budget import Budget
from qcompile.search.costs import NANOSECONDS_IN_MS, LayerCost
from qcompile.search.feasible import least_plan
from qcompile.search.greedy import greedy_search
from qcompile.search.knapsack import CELLS, Amounts
from qcompile.search.moves import difference
from qcompile.search.prices import choose_within
from qcompile.search.result import SearchResult
from qcompile.search.scoring import Scores
from qcompile.search.space import SearchSpace

Deltas = Mapping[str, Mapping[LayerBits, float]]  # by layer and bits: what they add to the loss of a base plan
_SUMS = 10**9  # evaluations that cost nothing: no limit


def measure_deltas(
    space: SearchSpace, scores: Scores, base: BitPlan | None = None
) -> dict[str, dict[LayerBits, float]]:
    """What each pair of candidates of each layer adds to the loss, all others as in ``base``, the largest plan if None.

    Takes an evaluation for each pair of each layer.
    """
    plan = dict(space.largest() if base is None else base)
    space.check(plan)
    return {
        layer.name: {bits: _delta(scores, plan, layer.name, bits) for bits in layer.options()} for layer in space.layers
    }


def measure_deltas_apart(
    space: SearchSpace, scores: Scores, base: BitPlan | None = None
) -> dict[str, dict[LayerBits, float]]:
    """As ``measure_deltas``, with the weight and the activation of a layer each alone, and added up.

    Takes an evaluation for each candidate of each: far fewer.
    """
    plan = dict(space.largest() if base is None else base)
    space.check(plan)
    deltas: dict[str, dict[LayerBits, float]] = {}
    for layer in space.layers:
        now = plan[layer.name]
        weight = {w: _delta(scores, plan, layer.name, LayerBits(w, now.activation)) for w in layer.weight}
        activation = {a: _delta(scores, plan, layer.name, LayerBits(now.weight, a)) for a in layer.activation}
        deltas[layer.name] = {bits: weight[bits.weight] + activation[bits.activation] for bits in layer.options()}
    return deltas


def allocate(space: SearchSpace, deltas: Deltas, budget: Budget, cells: int = CELLS) -> dict[str, LayerBits]:
    """The plan of least summed ``deltas`` that meets ``budget``.

    With one limit it is optimal up to the cells of ``cheapest_choice``, which costs of a few divisors fill exactly.
    With several, each further limit has a price, the lowest at which it is met: up to the gap of duality from the
    best, which exchanges of the greedy search then narrow; they are judged by ``deltas``, so they score nothing.

    Raises BudgetError if no plan meets the budget; DataError if ``deltas`` lacks a layer or bits.
    """
    least = least_plan(space, budget)
    try:
        losses = [np.array([deltas[layer.name][bits] for bits in layer.options()]) for layer in space.layers]
    except KeyError as error:
        raise DataError(f"deltas: nothing for {error}; wanted all layers with all pairs of their candidates") from error
    tables, limits = _whole(space, budget)
    chosen = choose_within(losses, tables, limits, cells)
    plan = least
    if chosen is not None:
        plan = {layer.name: layer.options()[place] for layer, place in zip(space.layers, chosen, strict=True)}
    return plan if len(limits) == 1 else _exchange(space, deltas, budget, plan)


def _exchange(space: SearchSpace, deltas: Deltas, budget: Budget, plan: BitPlan) -> dict[str, LayerBits]:
    """``plan``, which meets ``budget``, after exchanges that lower the sum of ``deltas``."""
    summed = Scores(lambda plan: sum(deltas[layer][bits] for layer, bits in plan.items()))
    return dict(greedy_search(space, summed, budget, start=plan, refresh=None, evaluations=_SUMS).plan)


def allocation_search(
    space: SearchSpace, scores: Scores, budget: Budget, deltas: Deltas, cells: int = CELLS
) -> SearchResult:
    """The plan of ``allocate``, scored. Evaluations of ``deltas`` are not among its own: they serve any budget."""
    before = scores.evaluations
    plan = allocate(space, deltas, budget, cells)
    loss = scores(plan)
    return SearchResult(plan, loss, space.costs(plan), scores.evaluations - before)


def _delta(scores: Scores, plan: BitPlan, layer: str, bits: LayerBits) -> float:
    return difference(scores({**plan, layer: bits}), scores(plan))


def _whole(space: SearchSpace, budget: Budget) -> tuple[list[Amounts], list[int]]:
    """For each limit, the costs by layer and option, and the limit, in whole numbers."""
    scales = {
        "bytes": 1,
        "bitops": 1,
        "bits": sum(layer.weights for layer in space.layers),
        "latency": NANOSECONDS_IN_MS,
    }
    rest = space.latencies.other_ms if space.latencies else 0.0
    tables: list[Amounts] = []
    limits = []
    for kind, limit in budget.limits().items():
        tables.append(
            [np.array([_amount(space, layer, bits, kind) for bits in layer.options()]) for layer in space.layers]
        )
        limits.append(math.floor((limit - (rest if kind == "latency" else 0.0)) * scales[kind]))
    return tables, limits


def _amount(space: SearchSpace, layer: LayerCost, bits: LayerBits, kind: str) -> int:
    costs = space.costs_of(layer.name, bits)
    time = costs.nanoseconds or 0
    return {"bytes": costs.packed_bytes, "bitops": costs.bit_operations, "bits": costs.weight_bits, "latency": time}[
        kind
    ]
