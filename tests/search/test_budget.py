import pytest

from qcompile.errors import DataError
from qcompile.search.budget import Budget, budget
from qcompile.search.costs import Costs

COSTS = Costs(packed_bytes=80_000, bit_operations=400_000_000, weight_bits=32, weights=10, nanoseconds=5_000_000)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes=80k", Budget(packed_bytes=80_000)),
        ("bytes=80000", Budget(packed_bytes=80_000)),
        ("bitops=0.4G", Budget(bit_operations=0.4e9)),
        ("bitops=.5T", Budget(bit_operations=0.5e12)),
        ("bits=3.2", Budget(average_bits=3.2)),
        ("latency=5ms", Budget(latency_ms=5)),
        ("latency=250us", Budget(latency_ms=0.25)),
        (" latency = 0.1 s , bytes = 1.5M ", Budget(packed_bytes=1.5e6, latency_ms=100)),
    ],
)
def test_text_becomes_a_budget_and_text_again(text, wanted):
    assert budget(text) == wanted
    assert budget(wanted.as_text()) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'budget: "", wanted one of bytes=80k, bitops=0.4G, bits=3.2, latency=5ms'),
        ("size=3", 'budget: "size=3", wanted one of bytes=80k'),
        ("bytes", "wanted a number above zero .*bytes=80k"),
        ("bytes=-3", "wanted a number above zero"),
        ("bytes=0", "wanted a number above zero"),
        ("bytes=1e3", "wanted a number above zero"),
        ("bytes=inf", "wanted a number above zero"),
        ("bytes=80K", 'budget: "bytes=80K", wanted a number above zero with no unit, k, M, G, T, such as bytes=80k'),
        ("bits=3k", "such as bits=3.2"),
        ("latency=5", "wanted a number above zero with us, ms, s, such as latency=5ms"),
        ("bytes=1k,bytes=2k", "bytes is given twice"),
        ("bytes=1k,", 'budget: "", wanted one of'),
    ],
)
def test_what_is_no_budget_is_refused_with_what_was_wanted(text, message):
    with pytest.raises(DataError, match=message):
        budget(text)


def test_a_budget_without_a_limit_is_refused():
    with pytest.raises(DataError, match="the budget has no limit"):
        Budget()
    with pytest.raises(DataError, match="the budget's bits is nan"):
        Budget(average_bits=float("nan"))


def test_a_budget_is_met_up_to_its_limits_and_not_beyond():
    exact = Budget(packed_bytes=80_000, bit_operations=400_000_000, average_bits=3.2, latency_ms=5)
    assert exact.is_met(COSTS)
    assert exact.excess(COSTS) == 1
    assert exact.overrun(COSTS) == 0
    for tighter in (
        Budget(packed_bytes=79_999),
        Budget(bit_operations=399_999_999),
        Budget(average_bits=3.19),
        Budget(latency_ms=4.999),
    ):
        assert not tighter.is_met(COSTS)
        assert tighter.excess(COSTS) > 1
        assert tighter.overrun(COSTS) > 0


def test_excess_is_the_largest_ratio_and_overrun_the_sum_of_what_is_too_much():
    both = Budget(packed_bytes=40_000, bit_operations=320_000_000, latency_ms=10)
    assert both.excess(COSTS) == 2
    assert both.overrun(COSTS) == 1 + 0.25


def test_time_that_nobody_measured_cannot_be_limited():
    with pytest.raises(DataError, match="give a latency table"):
        Budget(latency_ms=1).is_met(Costs(1, 1, 1, 1))
