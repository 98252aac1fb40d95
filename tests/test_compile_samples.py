"""Compiling a float model with sample inputs into lookups, activations staying floats."""

import numpy as np
import onnx
import pytest

from qcompile.calibration import ArrayReader
from qcompile.codebooks import CodebookWeights, GridWeights
from qcompile.compiler import DynamicIntegers, compile_file, compile_model
from qcompile.errors import DataError, QCompileError
from qcompile.float_weights import SampledWeights
from qcompile.packed_model import packed_layers
from qcompile.verification import verify_file
from tests.networks import NETWORKS
from tests.rounding.test_network import deep, run

WAYS = [GridWeights(3), *(CodebookWeights(3, per) for per in ("tensor", "scaled", "channel"))]


def sampled(made, weights, rows=300, **options):
    return SampledWeights(ArrayReader(made.samples(rows), 100), weights, **options)


def change(made, weights):
    """The squared error of the outputs on inputs that no compilation saw."""
    before, others = made.proto(), made.samples(200, seed=2)
    [wanted], [found] = run(before, others), run(compile_model(before, weights=weights), others)
    return np.square(found - wanted).mean()


@pytest.mark.parametrize("weights", WAYS)
def test_outputs_on_other_inputs_are_nearer_than_without_samples(weights):
    made = deep()
    assert change(made, sampled(made, weights)) < 0.7 * change(made, weights)


@pytest.mark.parametrize("weights", WAYS)
@pytest.mark.parametrize("bfloat16", [False, True])
def test_every_way_to_run_the_file_gives_the_same_numbers(tmp_path, weights, bfloat16):
    made = NETWORKS["plain"]()
    onnx.save(made.proto(), tmp_path / "float.onnx")
    result = compile_file(
        tmp_path / "float.onnx", tmp_path / "p.onnx", weights=sampled(made, weights), bfloat16=bfloat16
    )
    assert verify_file(tmp_path / "p.onnx").passed
    assert {layer.activation_bits for layer in packed_layers(onnx.load(tmp_path / "p.onnx"))} <= {16, 32}
    assert {layer.bits for layer in result.rounded} == {3}
    assert "rounding the weights changes outputs by" in result.as_text()


def test_what_keeps_the_mean_joins_the_bias():
    made = deep(layers=2)
    packed = compile_model(made.proto(), weights=sampled(made, CodebookWeights(2)))
    assert [node.op_type for node in packed.graph.node if node.op_type == "Add"] == []


def test_no_samples_are_an_error():
    made = deep(layers=1)
    with pytest.raises(DataError, match="the reader gave no batch"):
        compile_model(made.proto(), weights=sampled(made, CodebookWeights(3), rows=0))


def test_they_are_not_for_integers():
    made = deep(layers=1)
    with pytest.raises(QCompileError, match="weights are for layers whose activations stay floats"):
        compile_model(made.proto(), integers=DynamicIntegers(), weights=sampled(made, CodebookWeights(4)))


@pytest.mark.parametrize(("option", "value"), [("runs", 0), ("damping", 0.0), ("damping", float("nan"))])
def test_values_out_of_range_are_an_error(option, value):
    with pytest.raises(ValueError, match="wanted"):
        sampled(deep(layers=1), CodebookWeights(4), **{option: value})
