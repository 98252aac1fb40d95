"""Compiling without sample inputs: rows of matrix products become integers as they come."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.compiler import DynamicIntegers, compile_file, compile_model
from qcompile.errors import ModelError
from qcompile.packed_model import packed_layers
from qcompile.report import report_file
from qcompile.verification import verify_file
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import samples_of

HAS_PRODUCTS = ["plain", "sequence", "corrected", "codebooks", "fixed_batch"]


def run(model, feeds):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)


def attention():
    """A layer of a transformer: products of computed tensors stay as they are."""
    network = Network((5, 16))
    query, key, value = (
        network.add("Add", [network.matmul("x", (16, 16), name), network.random(f"{name}.bias", 16)])
        for name in ("query", "key", "value")
    )
    scores = network.add("MatMul", [query, network.add("Transpose", [key], perm=(0, 2, 1))])
    mixed = network.add("MatMul", [network.add("Softmax", [scores], axis=-1), value])
    summed = network.add("Add", ["x", network.matmul(mixed, (16, 16), "join")])
    return network.gives(network.matmul(summed, (16, 8), "out"))


@pytest.mark.parametrize("name", HAS_PRODUCTS)
def test_networks_stay_near_the_float_model(name):
    network = NETWORKS[name]()
    before, feeds = network.proto(), samples_of(network)
    after = compile_model(before, integers=DynamicIntegers())
    onnx.checker.check_model(after, full_check=True)
    assert any(layer.op == "IntegerMatMulDynamic" for layer in packed_layers(after))
    for wanted, found in zip(run(before, feeds), run(after, feeds), strict=True):
        assert np.abs(found - wanted).max() <= 0.05 * np.abs(wanted).max() + 1e-6


def test_a_transformer_layer_is_verified_on_every_backend(tmp_path):
    network = attention()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=DynamicIntegers(weight_bits=4))
    assert [(layer.name, layer.operator, layer.bits) for layer in result.layers] == [
        (name, "IntegerMatMulDynamic", 4) for name in ("query", "key", "value", "join", "out")
    ]
    assert result.left_alone == ()
    kinds = [node.op_type for node in onnx.load(tmp_path / "p.onnx").graph.node]
    assert kinds.count("Add") == 1  # biases are folded
    assert kinds.count("MatMul") == 2
    verified = verify_file(tmp_path / "p.onnx", against=tmp_path / "e.onnx")
    assert verified.passed, verified.as_text()
    assert all(comparison.worst_layer_ratio == 0 for comparison in verified.comparisons)  # the very same bits
    assert all(comparison.worst_ratio <= 1 for comparison in verified.comparisons)


def test_what_stays_float_is_told(tmp_path):
    network = NETWORKS["plain"]()
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=DynamicIntegers())
    assert {layer.operator for layer in result.layers} == {"IntegerMatMulDynamic"}
    reasons = {reason for _, reason in result.left_alone}
    assert reasons == {"only MatMul and Gemm become integers without sample inputs"}
    assert "left alone: only MatMul and Gemm" in result.as_text()


@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(4, 8), (3, 5), (1, 1)])
def test_bits_are_those_given(tmp_path, weight_bits, activation_bits):
    onnx.save(attention().proto(), tmp_path / "e.onnx")
    options = DynamicIntegers(activation_bits=activation_bits, weight_bits=weight_bits)
    compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=options)
    layers = json.loads(report_file(tmp_path / "p.onnx").as_json())["layers"]
    assert {(layer["bits"], layer["activation_bits"]) for layer in layers} == {(weight_bits, activation_bits)}
    assert verify_file(tmp_path / "p.onnx").passed


def test_sums_that_may_go_beyond_2_to_24_are_told(tmp_path):
    network = Network((4096,))
    network.constant("a.weight", np.ones((3, 4096), np.float32))
    onnx.save(network.gives(network.add("Gemm", ["x", "a.weight"], transB=1)).proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=DynamicIntegers())
    assert result.layers[0].largest_sum == 4096 * 127 * 255
    assert "sums may exceed 2^24" in result.as_text()


def test_a_learned_weight_stays_as_it_is():
    network = Network((6,))
    weight = network.lookup((5, 6), "a.weight", [-3, -1, 0, 2])
    model = compile_model(
        network.gives(network.add("Gemm", ["x", weight], transB=1)).proto(), integers=DynamicIntegers(weight_bits=8)
    )
    [layer] = packed_layers(model)
    assert (layer.bits, layer.codebook.tolist()) == (2, [[-3, -1, 0, 2]])


def test_any_batch_runs():
    network = attention()
    model, x = compile_model(network.proto(), integers=DynamicIntegers()), network.samples(7)["x"]
    [whole] = run(model, {"x": x})
    assert run(model, {"x": x[:0]})[0].shape == (0, 5, 8)
    for row in range(7):
        np.testing.assert_allclose(
            run(model, {"x": x[row : row + 1]})[0][0], whole[row], atol=0.2
        )  # a code may be another: softmax rounds


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    onnx.save(attention().proto(), tmp_path / "e.onnx")
    for name in ("a", "b"):
        compile_file(tmp_path / "e.onnx", tmp_path / name, integers=DynamicIntegers())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_functions_can_be_left_out():
    assert not compile_model(attention().proto(), functions=False, integers=DynamicIntegers()).functions


def test_a_model_without_products_is_an_error_that_tells_why():
    network = Network((3, 4, 4))
    with pytest.raises(ModelError, match=r"no MatMul or Gemm that can become integers .* only MatMul and Gemm"):
        compile_model(network.gives(network.conv("x", (2, 3, 1, 1), "a")).proto(), integers=DynamicIntegers())
    with pytest.raises(ModelError, match=r"no MatMul or Gemm that can become integers without sample inputs$"):
        compile_model(Network((4,)).gives("x").proto(), integers=DynamicIntegers())
