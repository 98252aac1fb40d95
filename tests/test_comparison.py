import numpy as np

from qcompile.bounded import Bounded
from qcompile.comparison import compare, worst_ratio


def bounded(rows, error):
    value = np.array(rows, np.float64)
    return Bounded(value, np.full(value.shape, error))


def test_within_the_bound_passes_and_beyond_it_fails():
    wanted = bounded([[1, 2], [4, 3]], 0.1)
    assert compare("x", [wanted.value + 0.09], [wanted]).passed
    beyond = compare("x", [wanted.value + 0.11], [wanted])
    assert not beyond.passed
    assert 1 < beyond.worst_ratio < 1.2


def test_close_scores_are_undecided_and_other_predictions_counted():
    wanted = bounded([[1, 2], [3, 3.1], [5, 0]], 0.1)
    found = np.array([[1, 2], [3.1, 3], [0, 5]])
    result = compare("x", [found], [wanted])
    assert (result.undecided, result.other_predictions) == (1, 1)
    assert not result.passed


def test_nan_infinity_and_another_shape_are_infinitely_wrong():
    wanted = bounded([[1, 2]], 0.1)
    for found in (np.array([[np.nan, 2]]), np.array([[np.inf, 2]]), np.zeros((1, 3))):
        assert worst_ratio(found, wanted) == np.inf
        assert not compare("x", [found], [wanted]).passed


def test_a_bound_of_zero_means_equal():
    wanted = bounded([[1, 2]], 0)
    assert worst_ratio(wanted.value, wanted) == 0
    assert worst_ratio(wanted.value + 1e-12, wanted) == np.inf


def test_without_any_bound_nothing_passes():
    wanted = bounded([[1, 2]], np.inf)
    result = compare("x", [wanted.value], [wanted])
    assert result.worst_ratio is None
    assert not result.passed
    assert "no bound" in result.as_text()
