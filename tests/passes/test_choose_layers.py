"""Marks of layers that a user wants to stay float."""

import onnx_ir as ir
import pytest

from qcompile.errors import DataError
from qcompile.layer_choice import LayerChoice
from qcompile.passes._chosen import list_excluded, stays_float
from qcompile.passes.choose_layers import ChooseLayers
from qcompile.passes.round_weights import RoundWeights, has_float_weight
from tests.networks import NETWORKS


def marked(name, **choice):
    model = ir.from_proto(NETWORKS[name]().proto())
    before = ir.to_proto(model).SerializeToString()
    assert not ChooseLayers(LayerChoice(**choice))(model).modified
    assert ir.to_proto(model).SerializeToString() == before  # the mark is in memory only
    return model


def test_a_mark_holds_in_copies_and_keeps_a_weight_float():
    model = marked("plain", exclude=("b",)).clone()
    assert list_excluded(model) == [("b", "excluded")]
    RoundWeights(4)(model)
    [kept] = [node for node in model.graph if stays_float(node)]
    assert kept.inputs[1].name == "b.weight"
    assert not any(has_float_weight(node) for node in model.graph)


def test_an_empty_choice_marks_nothing():
    assert list_excluded(marked("attention")) == []


def test_what_is_excluded_is_told_so_also_where_another_rule_leaves_it_out():
    found = dict(list_excluded(marked("plain", exclude=("a",), include=("a", "b"), operators=("Gemm",))))
    assert found["a"] == "excluded"
    assert found["b"] == "excluded: Conv is not among the operators to quantize"
    assert found["c"] == found["d"] == "excluded: not among the layers to quantize"


def test_learned_layers_are_not_chosen():
    with pytest.raises(DataError, match="'fc_of_no_one' matches no layer"):
        marked("codebooks", exclude=("fc_of_no_one",))
    assert list_excluded(marked("codebooks", operators=("LSTM",))) == []
