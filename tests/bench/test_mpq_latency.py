import pytest

pytest.importorskip("torch")

from mpq_latency import LARGEST, against_largest, deviation, fastest, median_ms

from qcompile.bit_plan import LayerBits
from qcompile.search import LatencyTable, LayerCost, SearchSpace


def test_the_fastest_plan_need_not_have_the_fewest_bits():
    space = SearchSpace((LayerCost("a", (4, 4), 1, 1, (2, 3), (8,)), LayerCost("b", (4, 4), 1, 1, (2, 3), (8,))))
    times = {
        "a": {LayerBits(2, 8): 2.0, LayerBits(3, 8): 1.0},
        "b": {LayerBits(2, 8): 1.0, LayerBits(3, 8): 1.0},  # as fast: the fewer bits
    }
    assert fastest(LatencyTable(times), space) == {"a": LayerBits(3, 8), "b": LayerBits(2, 8)}


def test_a_round_that_is_slow_for_all_does_not_change_the_ratio():
    rows = [{"name": LARGEST, "rounds_ms": [1.0, 4.0, 2.0]}, {"name": "0.6", "rounds_ms": [0.5, 2.0, 1.0]}]
    assert against_largest(rows, rows[1]) == 0.5
    assert deviation(1.5, 1.0) == 50.0


def test_a_call_is_timed_at_least_once():
    calls = []
    assert median_ms(lambda: calls.append(1), 0.0) >= 0
    assert calls
