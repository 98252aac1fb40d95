import math

import pytest

from qcompile.errors import RecipeError
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.freezing import Freezing

CANDIDATES = {name: Candidates((2, 3, 4), (2, 8)) for name in "abcd"} | {"fixed": Candidates((8,), (8,))}


def published_decisions(epochs):
    """The epochs, counted from 0, at which the published code decides, in a run of 150."""
    late = int(0.72 * epochs)
    return [e for e in range(epochs) if e > 5 and (e + 1) % (2 if e < late else 15) == 0]


def test_decisions_fall_where_the_published_ones_do():
    freezing = Freezing()
    counts = [freezing.decisions((epoch + 1) / 150) for epoch in range(150)]
    grown = [epoch for epoch in range(150) if counts[epoch] > (counts[epoch - 1] if epoch else 0)]
    assert grown == published_decisions(150)
    assert counts[-1] == 54


@pytest.mark.parametrize(("epoch", "ratio"), [(7, 0.50), (49, 0.44), (99, 0.29), (149, 0.20)])
def test_the_ratio_is_the_published_cosine(epoch, ratio):
    assert round(Freezing().ratio((epoch + 1) / 150), 2) == ratio


def test_nothing_is_decided_or_frozen_up_to_the_start():
    freezing = Freezing(start=0.25, period=0.1)
    assert freezing.decisions(0.0) == freezing.decisions(0.25) == freezing.decisions(0.29) == 0
    assert freezing.ratio(0.25) == 0
    assert freezing.decisions(0.3) == 1


@pytest.mark.parametrize("steps", [7, 100, 999])
def test_decisions_do_not_depend_on_how_finely_a_run_is_cut(steps):
    freezing = Freezing(start=0.1, period=0.07, late=0.6, late_period=0.2)
    counts = [freezing.decisions(step / steps) for step in range(steps + 1)]
    assert counts == sorted(counts)
    assert counts[-1] == (8 - 1) + (5 - 3)  # 0.14 to 0.56; 0.8 and 1.0


def test_decisions_begin_late_where_the_start_is():
    assert Freezing(start=0.85, late=0.5, late_period=0.1).decisions(1.0) == 2  # 0.9 and 1.0


def test_the_layers_with_the_highest_scores_lose_their_smallest_weight_width():
    freezing = Freezing(start=0.0, first_ratio=0.5, last_ratio=0.5)
    drawable = freezing.freeze(CANDIDATES, {"a": 0.1, "b": 0.4, "c": 0.2, "d": 0.3}, 0.5)
    assert list(drawable) == list(CANDIDATES)
    assert [name for name in drawable if drawable[name] != CANDIDATES[name]] == ["b", "d"]
    assert drawable["b"] == Candidates((3, 4), (2, 8))


def test_the_number_is_rounded_down_and_the_first_of_equals_comes_first():
    freezing = Freezing(start=0.0, first_ratio=0.49, last_ratio=0.49)
    drawable = freezing.freeze(CANDIDATES, dict.fromkeys("abcd", 0.5), 0.5)
    assert [name for name in drawable if drawable[name] != CANDIDATES[name]] == ["a"]
    assert freezing.freeze(CANDIDATES, {}, 0.5) == CANDIDATES


def test_activations_are_frozen_only_where_asked_and_never_the_last_width():
    freezing = Freezing(start=0.0, first_ratio=1.0, last_ratio=1.0, with_activations=True)
    drawable = freezing.freeze(CANDIDATES, {"a": 1.0, "fixed": 1.0}, 0.5)
    assert drawable["a"] == Candidates((3, 4), (8,))
    assert drawable["fixed"] == CANDIDATES["fixed"]


@pytest.mark.parametrize("values", [{"start": -0.1}, {"period": 0.0}, {"late_period": 2.0}, {"first_ratio": math.nan}])
def test_settings_out_of_range_are_refused(values):
    (name,) = values
    with pytest.raises(RecipeError, match=f"{name} is {values[name]}, wanted"):
        Freezing(**values)
