import numpy as np
import onnx_ir as ir
import pytest

from qcompile.errors import ModelError
from qcompile.passes.fold_weights import FoldWeights
from qcompile.passes.remove_nops import RemoveNops
from tests.odd_models import graphs, weights
from tests.odd_models.models import feeds, run


def applied(rewrite, proto):
    model = ir.serde.deserialize_model(proto)
    modified = rewrite(model).modified
    return modified, ir.serde.serialize_model(model)


@pytest.mark.parametrize(
    "make",
    [weights.twice_turned, weights.reshaped, weights.squeezed, weights.sliced, weights.cast, weights.half_weight],
)
def test_a_moved_weight_becomes_a_constant_of_the_same_numbers(make):
    before = make("integers")
    modified, after = applied(FoldWeights(), before)
    assert modified
    assert {node.op_type for node in after.graph.node} == {"MatMul"}
    [*wanted], [*found] = (run(model.SerializeToString(), feeds(before)) for model in (before, after))
    np.testing.assert_array_equal(found, wanted)


def test_lookups_stay():
    assert not applied(FoldWeights(), weights.twice_turned("packed"))[0]


def test_a_move_that_does_not_fit_is_an_error():
    with pytest.raises(ModelError, match="Reshape does not fit a weight"):
        applied(FoldWeights(), weights.reshaped_wrongly("integers"))


@pytest.mark.parametrize(
    "make", [weights.identity_of_an_output, weights.identity_of_an_input, graphs.scan_beside_a_layer]
)
def test_an_identity_between_two_names_and_those_of_subgraphs_stay(make):
    before = make("integers")
    assert not applied(RemoveNops(), before)[0]
