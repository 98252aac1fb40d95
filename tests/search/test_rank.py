import itertools
import math

import numpy as np
import pytest

from qcompile.errors import QCompileError
from qcompile.search.rank import kendall_tau


def by_definition(a, b):
    """Kendall's tau-b by counting pairs."""
    alike = otherwise = tied_in_a = tied_in_b = 0
    for i, j in itertools.combinations(range(len(a)), 2):
        product = (a[i] - a[j]) * (b[i] - b[j])
        alike += product > 0
        otherwise += product < 0
        tied_in_a += a[i] == a[j]
        tied_in_b += b[i] == b[j]
    pairs = len(a) * (len(a) - 1) // 2
    return (alike - otherwise) / math.sqrt((pairs - tied_in_a) * (pairs - tied_in_b))


@pytest.mark.parametrize("values", [2, 3, 10, 1000])
@pytest.mark.parametrize("length", [5, 50])
def test_it_is_what_counting_pairs_gives(values, length):
    random = np.random.default_rng(values)
    a, b = random.integers(0, values, (2, length)).tolist()
    # A quotient of whole numbers by a root: two roundings in each.
    assert kendall_tau(a, b) == pytest.approx(by_definition(a, b), abs=4 * 2.0**-53)


def test_the_same_order_is_one_and_the_opposite_minus_one():
    assert kendall_tau([1, 2, 2, 9], [0.1, 0.3, 0.3, 0.4]) == 1
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert kendall_tau([1, math.inf, 2], [1, 3, 2]) == 1


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 2], [1], "sequences of 2 and 1 values"),
        ([1, 1], [1, 2], "2 values that are all equal"),
        ([], [], "0 values"),
        ([1, 2], [math.nan, 1], "not a number"),
    ],
)
def test_what_has_no_order_is_refused(a, b, message):
    with pytest.raises(QCompileError, match=message):
        kendall_tau(a, b)
