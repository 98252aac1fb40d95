import math

import pytest

from qcompile.drawing.frame import range_of, round_numbers, round_powers, short_number


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 8), (-3.7, 12.2), (1e-9, 3e-9), (5, 147456), (1e12, 1e12 + 5)])
def test_ticks_are_few_round_and_inside(low, high):
    ticks = round_numbers(low, high)
    assert 2 <= len(ticks) <= 7
    step = ticks[1] - ticks[0]
    assert low - 1e-6 * step <= ticks[0] <= ticks[-1] <= high + 1e-6 * step
    assert any(math.isclose(step / 10 ** math.floor(math.log10(step) + 1e-6), nice, rel_tol=1e-3) for nice in (1, 2, 5))


def test_ticks_of_powers_are_powers_and_where_there_are_few_also_parts():
    assert [round(10**tick) for tick in round_powers(0, 3)] == [1, 10, 100, 1000]
    assert [round(10**tick) for tick in round_powers(0, 1)] == [1, 2, 5, 10]
    assert len(round_powers(math.log10(0.35), math.log10(0.9))) >= 2


def test_a_range_is_never_empty():
    for values in ([], [2.0], [2.0, 2.0], [math.nan], [0.0, 0.0]):
        for zero in (False, True):
            low, high = range_of(values, zero=zero)
            assert low < high


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (1234, "1234"), (12345, "12.3k"), (1.5e6, "1.5M"), (3.04e9, "3.04G"), (-12345, "-12.3k")],
)
def test_numbers_are_short(value, text):
    assert short_number(value) == text
