"""Weights of layers that no operator of ours computes, end to end: packed in the file, floats once it is loaded."""

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile import runtime
from qcompile.calibration import BatchReader
from qcompile.compiler import DynamicIntegers, Integers, compile_file, compile_model
from qcompile.report import report_file
from qcompile.verification import verify_file
from tests.network import Network


def recurrent():
    network = Network((5, 32))
    across = network.add("Transpose", ["x"], perm=(1, 0, 2))
    weights = [network.random("lstm.W", 1, 64, 32), network.random("lstm.R", 1, 64, 16, low=-0.2, high=0.2)]
    across = network.add("LSTM", [across, *weights], hidden_size=16)
    flat = network.add("Reshape", [network.add("Transpose", [across], perm=(2, 0, 1, 3)), network.sizes(-1, 80)])
    return network.gives(network.matmul(flat, (80, 4), "head"))


def volumes():
    network = Network((8, 4, 4, 4))
    found = network.add("Relu", [network.conv("x", (16, 8, 3, 3, 3), "conv", bias=False)])
    found = network.add("ConvTranspose", [found, network.random("up.weight", 16, 8, 2, 2, 2, low=-0.1, high=0.1)])
    return network.gives(network.gemm(network.add("Flatten", [found]), (5, 8 * 27), "head"))


def stacked():
    """A matrix for each place of an axis."""
    network = Network((4, 5, 16))
    found = network.add("MatMul", ["x", network.random("each.weight", 4, 16, 16)])
    return network.gives(network.matmul(found, (16, 3), "head"))


def calibrated(network):
    return Integers(BatchReader([network.samples(16)]), weight_bits=4)


CASES = [  # network, options, what is decoded: layer and shape
    (recurrent, lambda network: DynamicIntegers(weight_bits=4), [("lstm.W", (64, 32)), ("lstm.R", (64, 16))]),
    (recurrent, calibrated, [("lstm.W", (64, 32)), ("lstm.R", (64, 16))]),
    (volumes, calibrated, [("conv", (16, 216)), ("up", (16, 64))]),
    (stacked, calibrated, [("each", (64, 16))]),
    (stacked, lambda network: DynamicIntegers(weight_bits=4), [("each", (64, 16))]),
]


@pytest.mark.parametrize(("make", "options", "wanted"), CASES)
def test_packed_in_the_file_and_verified_on_every_backend(tmp_path, make, options, wanted):
    network = make()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=options(network))
    decoded = [layer for layer in result.layers if layer.operator == "DecodeWeight"]
    assert [(layer.name, layer.weight_shape) for layer in decoded] == wanted
    assert all(layer.bits == 4 for layer in decoded)
    assert all(layer.weight_bytes == np.prod(layer.weight_shape) // 2 + 16 * 4 for layer in decoded)
    assert "decoded at load" in result.as_text()
    assert result.left_alone == ()
    verified = verify_file(tmp_path / "p.onnx", against=tmp_path / "e.onnx", inputs=network.samples(16))
    assert verified.passed, verified.as_text()
    report = report_file(tmp_path / "p.onnx", against=tmp_path / "e.onnx")
    assert [layer.kernel for layer in report.layers if layer.op == "DecodeWeight"] == ["decoded at load"] * len(wanted)


@pytest.mark.parametrize("library", [False, True])
@pytest.mark.parametrize("make", [recurrent, stacked])
def test_onnxruntime_decodes_once_when_the_session_is_created(tmp_path, make, library):
    model = compile_model(make().proto(), integers=DynamicIntegers(weight_bits=4))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if library:
        options.register_custom_ops_library(str(runtime.library_path()))
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    graph = onnx.load(tmp_path / "optimized.onnx").graph
    stored = {tensor.name for tensor in graph.initializer}
    reading = [node for node in graph.node if node.op_type in ("LSTM", "MatMul")]
    assert "DecodeWeight" not in {node.op_type for node in graph.node}
    assert reading[0].input[1] in stored


def test_the_body_is_there_also_where_others_are_left_out():
    network = recurrent()
    model = compile_model(network.proto(), functions=False, integers=DynamicIntegers(weight_bits=4))
    assert [function.name for function in model.functions] == ["DecodeWeight"]
    whole = compile_model(network.proto(), integers=DynamicIntegers(weight_bits=4))
    found, wanted = (runtime.session(m.SerializeToString()).run(None, network.samples(3))[0] for m in (model, whole))
    np.testing.assert_array_equal(found, wanted)


def test_few_numbers_stay_floats(tmp_path):
    network = Network((4, 5, 8))
    found = network.add("MatMul", ["x", network.random("each.weight", 4, 8, 8)])
    network.gives(network.matmul(found, (8, 3), "head"))
    onnx.save(network.proto(), tmp_path / "e.onnx")
    for options in (DynamicIntegers(), calibrated(network)):
        result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=options)
        assert [layer.name for layer in result.layers] == ["head"]
        assert len(result.left_alone) == 1
    reason = "its weight has 256 numbers: decoding at load is for 1024 or more"
    assert result.left_alone == (("node_matmul0", reason),)
