import pytest

from qcompile.rounding import RoundedLayer, SecondOrder, summarize


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="0 runs: wanted at least 1"):
        SecondOrder(runs=0)
    for damping in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="a damping of"):
            SecondOrder(damping=damping)


def test_the_summary_tells_the_mean_the_worst_and_what_was_rounded_plainly():
    layers = [RoundedLayer("a", 4, 0.03, 0.01), RoundedLayer("b", 4, 0.05, 0.03), RoundedLayer("c", 4, reason="why")]
    assert summarize(layers) == [
        "rounding the weights changes outputs by 2 % of their variance in the mean of 2 layers, rounding plainly by "
        "4 %; most in b, 3 %",
        "c: rounded plainly: why",
    ]
    assert summarize([]) == []


def test_values_are_a_grid_or_a_codebook():
    with pytest.raises(ValueError, match='values "row": wanted one of grid, codebook'):
        SecondOrder(values="row")
