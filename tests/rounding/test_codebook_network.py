import numpy as np
import onnx_ir as ir
import pytest

from qcompile.codebooks import CodebookWeights
from qcompile.errors import DataError
from qcompile.passes._layer_names import layer_name
from qcompile.passes.infer_shapes import InferShapes
from qcompile.passes.round_to_codebooks import RoundToCodebooks
from qcompile.passes.round_weights import has_float_weight
from qcompile.rounding import CodebooksToOutputs, candidates
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import samples_of
from tests.rounding.test_network import deep, error, run


def with_samples(made, batches, bits=3, per="scaled", runs=32, progress=None):
    model = ir.from_proto(made.proto())
    InferShapes()(model)
    rounding = CodebooksToOutputs(CodebookWeights(bits, per), batches, runs, 0.01, progress)
    rounding(model)
    return model, rounding.rounded


def without_samples(made, bits=3, per="scaled"):
    model = ir.from_proto(made.proto())
    RoundToCodebooks(CodebookWeights(bits, per))(model)
    return model


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("per", ["scaled", "channel"])
def test_every_float_weight_becomes_a_lookup_and_outputs_stay_near(name, per):
    made = NETWORKS[name]()
    samples = samples_of(made)
    before = ir.from_proto(made.proto())
    model, told = with_samples(made, [samples], bits=6, per=per)
    assert [layer.name for layer in told] == [layer_name(node) for node in before.graph if has_float_weight(node)]
    assert not any(has_float_weight(node) for node in model.graph)
    for wanted, found in zip(run(made.proto(), samples), run(model, samples), strict=True):
        assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max() + 1e-6


@pytest.mark.parametrize("per", ["tensor", "scaled", "channel"])
@pytest.mark.parametrize("runs", [1, 100])
def test_outputs_on_other_inputs_are_nearer_to_those_of_the_float_network(per, runs):
    made = deep()
    model, told = with_samples(made, [made.samples(300)], per=per, runs=runs)
    others = made.samples(300, seed=2)
    assert error(made, model, others) < 0.6 * error(made, without_samples(made, per=per), others)
    assert all(layer.error <= layer.plain_error for layer in told)


def test_each_layer_is_told_as_it_is_done():
    made, told = deep(layers=3), []
    _, rounded = with_samples(made, [made.samples(20)], progress=told.append)
    assert tuple(told) == rounded
    assert [(layer.name, layer.bits) for layer in told] == [("l0", 3), ("l1", 3), ("l2", 3)]


def test_without_a_batch_there_is_nothing_to_round_by():
    with pytest.raises(DataError, match="the reader gave no batch"):
        with_samples(deep(layers=1), [])


def test_a_layer_with_too_many_columns_is_rounded_without_samples(monkeypatch):
    monkeypatch.setattr(candidates, "MOST_COLUMNS", 10)
    made = Network((10,))
    made.gives(made.gemm(made.gemm("x", (12, 10), "narrow"), (3, 12), "wide"))
    model, told = with_samples(made, [made.samples(30)])
    assert told[0].reason == ""
    assert told[1].reason == "12 columns, at most 10 are corrected"
    assert not any(has_float_weight(node) for node in model.graph)
