"""Which bits each layer should have: searches that only look at what plans cost and how they score. No torch."""

from qcompile.search.allocation import Deltas, allocate, allocation_search, measure_deltas, measure_deltas_apart
from qcompile.search.budget import Budget, budget
from qcompile.search.costs import Costs, LayerCost, average_bits, bit_operations, packed_bytes
from qcompile.search.front import pareto_front, search_front
from qcompile.search.greedy import greedy_search
from qcompile.search.latency import LatencyTable, latency_ms, read_latencies, write_latencies
from qcompile.search.random_search import random_plan, random_search
from qcompile.search.rank import kendall_tau
from qcompile.search.result import BudgetError, SearchResult, Step
from qcompile.search.scoring import Score, Scores
from qcompile.search.space import SearchSpace
from qcompile.search.starts import largest_uniform, search_from_starts, uniform_plan

__all__ = [
    "Budget",
    "BudgetError",
    "Costs",
    "Deltas",
    "LatencyTable",
    "LayerCost",
    "Score",
    "Scores",
    "SearchResult",
    "SearchSpace",
    "Step",
    "allocate",
    "allocation_search",
    "average_bits",
    "bit_operations",
    "budget",
    "greedy_search",
    "kendall_tau",
    "largest_uniform",
    "latency_ms",
    "measure_deltas",
    "measure_deltas_apart",
    "packed_bytes",
    "pareto_front",
    "random_plan",
    "random_search",
    "read_latencies",
    "search_from_starts",
    "search_front",
    "uniform_plan",
    "write_latencies",
]
