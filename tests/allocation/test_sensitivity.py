import onnx_ir as ir
import pytest

from qcompile.allocation import Measuring, measure_sensitivities
from qcompile.allocation.sensitivity import fill_in
from qcompile.integer_compiling import find_weights
from qcompile.rounding import Plain, SecondOrder
from tests.allocation.network import WEAK_FACTOR, uneven
from tests.networks import NETWORKS

WIDTHS = (2, 3, 4, 6, 8)


def measured(made, rounding=None, rows=60, **options):
    model = ir.from_proto(made.proto())
    find_weights(model)
    names = [name.removesuffix(".weight") for name in made.tensors if name.endswith(".weight")]
    samples = made.samples(rows)
    candidates, measuring = dict.fromkeys(names, WIDTHS), Measuring(**options)
    return measure_sensitivities(model, candidates, rounding or SecondOrder(), [samples], [samples], measuring)


@pytest.mark.parametrize("rounding", [SecondOrder(), SecondOrder(values="codebook"), Plain()])
def test_the_layer_that_matters_changes_outputs_more(rounding):
    strong, weak = measured(uneven(), rounding)
    assert (strong.name, weak.name) == ("strong", "weak")
    for bits in WIDTHS:
        # Alike but for the factor; their random weights make up for no more than a factor of ten.
        assert strong.changes[bits] * WEAK_FACTOR**2 * 0.1 < weak.changes[bits] < strong.changes[bits] * 0.01


@pytest.mark.parametrize("name", ["plain", "residual_of_two_layers"])
def test_other_widths_follow_from_those_that_were_measured(name):
    made = NETWORKS[name]()
    for few, all_of_them in zip(measured(made), measured(made, widths=None), strict=True):
        assert (few.measured, all_of_them.measured) == ((2, 4), WIDTHS)
        for bits in WIDTHS:  # the changes go over four orders of magnitude
            assert 0.4 < few.changes[bits] / all_of_them.changes[bits] < 2.5


def test_progress_is_told_of_each_layer():
    told = []
    found = measured(uneven(), progress=told.append)
    assert told == found


def test_changes_follow_the_errors_from_the_nearest_bits():
    errors = {2: 16.0, 3: 4.0, 4: 1.0, 8: 0.25}
    assert fill_in({2: 8.0, 4: 1.0}, errors) == {2: 8.0, 3: 4.0, 4: 1.0, 8: 0.25}


def test_a_weight_without_error_keeps_its_change():
    assert fill_in({4: 0.0}, {3: 0.0, 4: 0.0}) == {3: 0.0, 4: 0.0}
