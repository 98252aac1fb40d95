"""Compiling with products of bfloat16, end to end."""

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.compiler import DynamicIntegers, compile_file, compile_model
from qcompile.errors import ModelError, QCompileError
from qcompile.packed_model import packed_layers
from qcompile.report import report_file
from qcompile.verification import verify_file
from tests.networks import NETWORKS
from tests.quantizing import samples_of

LEARNED = ["codebooks", "corrected"]


@pytest.mark.parametrize("name", LEARNED)
def test_networks_stay_near_the_plain_model(name):
    network = NETWORKS[name]()
    before, feeds = network.proto(), samples_of(network)
    after = compile_model(before, bfloat16=True)
    onnx.checker.check_model(after, full_check=True)
    assert all(layer.op.endswith("Bfloat16") for layer in packed_layers(after))
    outputs = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
        for model in (compile_model(before), after)
    )
    for wanted, found in zip(*outputs, strict=True):
        assert np.abs(found - wanted).max() <= 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize("name", LEARNED)
def test_a_file_is_verified_on_every_backend(tmp_path, name):
    onnx.save(NETWORKS[name]().proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", bfloat16=True)
    assert {layer.operator for layer in result.layers} == {"CodebookConvBfloat16", "CodebookMatMulBfloat16"}
    verified = verify_file(tmp_path / "p.onnx", against=tmp_path / "e.onnx")
    assert verified.passed, verified.as_text()
    assert all(comparison.worst_layer_ratio <= 1 for comparison in verified.comparisons)
    rows = report_file(tmp_path / "p.onnx").layers
    assert {row.activation_bits for row in rows} == {16}


def test_entries_that_become_equal_are_one():
    network = NETWORKS["codebooks"]()
    before = network.proto()
    for tensor in before.graph.initializer:
        if tensor.name == "d.weight.codebook":
            values = np.float32([1, 1 + 2.0**-12])
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    entries = {layer.name: layer.entries for layer in packed_layers(compile_model(before, bfloat16=True))}
    assert entries["d"] == (1,)


def test_integers_and_bfloat16_are_one_error(tmp_path):
    onnx.save(NETWORKS["codebooks"]().proto(), tmp_path / "e.onnx")
    with pytest.raises(QCompileError, match="bfloat16 is for layers whose activations stay floats"):
        compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=DynamicIntegers(), bfloat16=True)
    assert not (tmp_path / "p.onnx").exists()


def test_a_model_without_codebooks_is_the_error_that_it_is_without():
    with pytest.raises(ModelError, match="the model has no codebook weight"):
        compile_model(NETWORKS["plain"]().proto(), bfloat16=True)


def test_a_wrong_codebook_in_a_file_is_found(tmp_path):
    packed = compile_model(NETWORKS["codebooks"]().proto(), bfloat16=True)
    tensor = next(t for t in packed.graph.initializer if t.name.endswith("weight.codebook"))
    changed = onnx.numpy_helper.to_array(tensor) * np.float32(1.001)
    tensor.CopyFrom(onnx.numpy_helper.from_array(changed, tensor.name))
    with pytest.raises(ModelError, match="no bfloat16 value"):
        packed_layers(packed)
