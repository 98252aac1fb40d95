"""Integers give the codes that float operators give between two pairs of QuantizeLinear and DequantizeLinear."""

import json
import subprocess

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.calibration import MeanSquareError
from qcompile.passes._operands import CODEBOOK, fused_nodes, operand
from qcompile.passes.fuse_integers import FuseIntegers
from qcompile.passes.round_weights import RoundWeights
from qcompile.reference import evaluate
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import (
    assert_like_quantized,
    fused,
    lowered_network,
    quantized,
    run_stock,
    runnable_proto,
    samples_of,
)

LEVELS = ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"]
# Both operands have one scale, which is half that of the sum: half of all sums lie exactly between two codes.
TIES = {"residual_of_no_layer"}
# Their entries are rounded, so the weights of the pass's input are other ones.
ROUNDED = {"codebooks"}
RUN_OLD = """
import json, sys
import numpy as np
import onnxruntime
for path, inputs, outputs in json.load(sys.stdin):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.savez(outputs, *session.run(None, dict(np.load(inputs))))
"""


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_gives_the_codes_of_the_float_operators(tools, name):
    network = NETWORKS[name]()
    before = quantized(network)
    if name in ROUNDED:
        round_entries(before)
    after = tools.apply(FuseIntegers(), before)
    total, ties = assert_like_quantized(before, after, samples_of(network, seed=2))
    assert total > 0
    assert ties <= (0.1 * total if name in TIES else 1 + total / 1000)


def round_entries(model):
    """Makes the entries of every codebook whole multiples of a 127th of the largest."""
    for node in fused_nodes(model):
        found = operand(node, CODEBOOK)
        step = np.abs(found).max(axis=1, keepdims=True) / 127
        value = node.inputs[CODEBOOK]
        value.const_value = ir.tensor((np.rint(found / step) * step).astype(np.float32), name=value.name)


@pytest.mark.parametrize("bits", range(1, 8))
@pytest.mark.parametrize("name", ["plain", "residual_of_two_layers", "concatenated", "swish", "sequence", "one_axis"])
def test_codes_of_fewer_bits(tools, name, bits):
    network = NETWORKS[name]()
    before = quantized(network, bits=bits, weight_bits=bits, method=MeanSquareError())
    after = tools.apply(FuseIntegers(), before)
    feeds = samples_of(network, seed=2)
    total, ties = assert_like_quantized(before, after, feeds)
    assert ties <= 1 + total / 1000
    codes = [array for array in run_stock(after, feeds).values() if array.dtype == np.uint8]
    assert 2 ** (bits - 1) <= max(int(array.max()) for array in codes) < 2**bits
    layers = [node for node in after.graph if "x_zero_point" in node.attributes]
    assert all(node.attributes.get_int("x_bits", 8) == bits for node in layers)
    assert "MaxPool" not in tools.op_types(after)
    assert ("Clip" in tools.op_types(after)) == (name == "sequence")  # in front of the QuantizeLinear of its input


def test_bits_by_name(tools):
    network = NETWORKS["plain"]()
    names = [node.inputs[0].name for node in quantized(network).graph if node.op_type == "QuantizeLinear"]
    bits = {name: 3 if name == "x" else 5 for name in names}
    before = quantized(network, bits=bits)
    after = tools.apply(FuseIntegers(), before)
    assert_like_quantized(before, after, samples_of(network, seed=2))
    found = {node.name: node.attributes.get_int("x_bits", 8) for node in after.graph if "bits" in node.attributes}
    assert found == {"a": 3, "b": 5, "c": 5, "d": 5}


@pytest.mark.parametrize("bits", range(1, 9))
def test_weights_of_fewer_bits(tools, bits):
    network = NETWORKS["plain"]()
    before = quantized(network, weight_bits=bits)
    after = tools.apply(FuseIntegers(), before)
    assert_like_quantized(before, after, samples_of(network, seed=2))
    assert {node.attributes["bits"].as_int() for node in after.graph if "bits" in node.attributes} == {bits}


EXPECTED = {
    "plain": "QuantizeInput IntegerConv IntegerConv IntegerMaxPool Reshape IntegerMatMul IntegerMatMulFloat",
    "normalized": "QuantizeInput IntegerConv IntegerConv IntegerGlobalAveragePool Reshape IntegerMatMulFloat",
    "residual_of_one_layer": "QuantizeInput IntegerConv IntegerConvAdd IntegerConvFloat Transpose",
    "residual_of_two_layers": "QuantizeInput IntegerConv IntegerConv IntegerConvAdd IntegerConvFloat Transpose",
    "residual_of_no_layer": "QuantizeInput IntegerConv IntegerMaxPool IntegerAdd IntegerConvFloat Transpose",
    "concatenated": "QuantizeInput IntegerConv IntegerConv Concat Concat IntegerConvFloat Transpose",
    "swish": "QuantizeInput IntegerConv IntegerTable IntegerConvFloat Transpose",
    "hard_swish_of_parts": "QuantizeInput IntegerConv IntegerTable IntegerConvFloat Transpose",
    "two_clips": "QuantizeInput IntegerConv IntegerConvFloat Transpose",
    "option_a": "QuantizeInput IntegerConv IntegerConv IntegerConvAdd IntegerConvFloat Transpose",
    "normalized_input": "QuantizeInput IntegerConv IntegerConvFloat Transpose",
    "mean_over_axes": "QuantizeInput IntegerConv IntegerGlobalAveragePool Squeeze IntegerMatMulFloat",
    "attention": "QuantizeLinear IntegerMatMul Reshape Transpose IntegerMatMul Reshape Transpose IntegerMatMul Reshape "
    "Transpose IntegerProductFloat QuantizeSoftmax IntegerProduct Transpose Reshape IntegerMatMulFloat",
    "products_of_images": "QuantizeInput IntegerConv IntegerConv Transpose Reshape Transpose IntegerProductFloat "
    "QuantizeSoftmax IntegerProduct Reshape Transpose IntegerConvFloat Transpose",
    "sequence": "QuantizeLinear IntegerMatMul IntegerMatMulAdd IntegerMatMulFloat",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_region_is_all_integers(tools, name):
    """As a compiled file has it: only the model's own outputs are given."""
    before = quantized(NETWORKS[name]())
    del before.graph.outputs[len(NETWORKS[name]().outputs) :]
    after = tools.apply(FuseIntegers(), before)
    assert sorted(tools.op_types(after)) == sorted(EXPECTED[name].split())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_stock_onnxruntime_gives_exactly_the_reference(name, level):
    after, feeds = lowered_network(name), samples_of(NETWORKS[name](), seed=2)
    found = run_stock(after, feeds, level)
    assert_is_reference(runnable_proto(after), feeds, found)


def assert_is_reference(proto, feeds, found):
    """Codes exactly, where no float operator comes before them; all else within the bound."""
    wanted = evaluate(proto, feeds)
    exact = 0
    for name, array in found.items():
        assert array.shape == wanted[name].value.shape
        difference = np.abs(array.astype(np.float64) - wanted[name].value)
        assert (difference <= wanted[name].error).all(), name
        exact += array.dtype == np.uint8 and not wanted[name].error.any()
    assert exact > 0


def test_only_float_operators_make_codes_uncertain():
    uncertain = set()
    for name, make in NETWORKS.items():
        proto, feeds = runnable_proto(lowered_network(name)), samples_of(make(), seed=2)
        values = evaluate(proto, feeds)
        codes = [values[o.name] for o in proto.graph.output if o.type.tensor_type.elem_type == onnx.TensorProto.UINT8]
        if any(code.error.any() for code in codes):
            uncertain.add(name)
    assert uncertain <= {
        *("concatenated_with_a_constant", "corrected", "float_readers", "gray_to_color", "mean_of_the_last_axis"),
        *("number_that_adds_an_axis", "outputs_on_the_way", "pooled_with_ceil"),
        # Softmax and means come before products.
        *("attention", "attention_of_scaled_inputs", "products_of_images", "products_that_stay_float"),
        "products_with_other_readers",
    }


def test_the_oldest_onnxruntime_gives_exactly_the_reference(old_python, tmp_path):
    jobs = []
    for name in sorted(set(NETWORKS) - {"gelu"}):  # of opset 20, which it does not know
        path, given, result = (str(tmp_path / f"{name}.{end}") for end in ("onnx", "in.npz", "out.npz"))
        onnx.save(runnable_proto(lowered_network(name)), path)
        np.savez(given, **samples_of(NETWORKS[name](), seed=2))
        jobs.append((path, given, result))
    subprocess.run([old_python, "-c", RUN_OLD], input=json.dumps(jobs), text=True, check=True)
    for path, given, result in jobs:
        proto, arrays = onnx.load(path), np.load(result)
        found = {output.name: arrays[f"arr_{i}"] for i, output in enumerate(proto.graph.output)}
        assert_is_reference(proto, dict(np.load(given)), found)


def test_a_layer_whose_floats_are_wanted_too_is_computed_once(tools):
    after = lowered_network("outputs_on_the_way")
    assert [node.name for node in after.graph if "bits" in node.attributes] == ["a", "b", "d", "e", "f"]


def test_names_are_those_of_the_layers(tools):
    after = lowered_network("plain")
    layers = [node for node in after.graph if "bits" in node.attributes]
    assert [node.name for node in layers] == ["a", "b", "c", "d"]
    for node in layers:
        names = [f"{node.name}.weight.{part}" for part in ("indices", "codebook", "scale")]
        assert [value.name for value in node.inputs[1:5]] == [*names, f"{node.name}.bias"]


def test_names_that_are_taken_stay_apart(tools):
    after = lowered_network("hostile_names")
    names = [node.name for node in after.graph if node.name]
    assert len(names) == len(set(names))
    outputs = [value.name for node in after.graph for value in node.outputs]
    assert len(outputs) == len(set(outputs))


def test_every_node_follows_what_it_reads(tools):
    after = lowered_network("two_transposes")
    seen = {value.name for value in after.graph.inputs} | set(after.graph.initializers)
    for node in after.graph:
        assert {value.name for value in node.inputs if value is not None} <= seen, node
        seen |= {value.name for value in node.outputs}


def test_codes_of_an_input_of_codes(tools, rng):
    """A model that begins with codes: no float comes first, and they are in the model's layout."""
    network = Network((4, 5, 5))
    network.gives(network.add("Relu", [network.conv("x", (6, 4, 3, 3), "a")]))
    model = fused(network)
    x = model.graph.inputs[0]
    scale, zero_point = ir.tensor(np.array(0.02, np.float32)), ir.tensor(np.array(128, np.uint8))
    operands = [ir.Value(name=n, const_value=t, shape=t.shape, type=ir.TensorType(t.dtype)) for n, t in
                (("scale", scale), ("zero_point", zero_point))]  # fmt: skip
    for value in operands:
        model.graph.register_initializer(value)
    node = ir.node("DequantizeLinear", [x, *operands], name="numbers")
    model.graph.insert_before(model.graph[0], node)
    node.outputs[0].name, node.outputs[0].shape, node.outputs[0].type = "numbers", x.shape, x.type
    next(use.node for use in x.uses() if use.node is not node).replace_input_with(0, node.outputs[0])
    x.type = ir.TensorType(ir.DataType.UINT8)
    after = tools.apply(FuseIntegers(), model)
    feeds = {"x": rng.integers(0, 256, (2, 4, 5, 5)).astype(np.uint8)}
    [before_y], [after_y] = (tools.run_onnxruntime(m, feeds) for m in (model, after))
    np.testing.assert_allclose(after_y, before_y, rtol=1e-4, atol=1e-5)
    assert "IntegerConvFloat" in tools.op_types(after)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": np.array([0.1, 0.2, 0.3, 0.4], np.float32), "zero_point": np.zeros(4, np.uint8)},
        {"zero_point": np.array(0, np.int8)},
        {"scale": np.array(-0.1, np.float32)},
    ],
)
def test_leaves_other_pairs_alone(tools, rng, change):
    tensors = {"scale": np.array(0.1, np.float32), "zero_point": np.array(3, np.uint8)} | change
    nodes, weight, _ = tools.make_lookup(rng, (6, 4), 5)
    axis = {"axis": 1} if tensors["scale"].ndim else {}
    nodes += [
        make_node("QuantizeLinear", ["x", "scale", "zero_point"], ["q"], **axis),
        make_node("DequantizeLinear", ["q", "scale", "zero_point"], ["d"], **axis),
        make_node("Gemm", ["d", "fc.weight"], ["y"], transB=1),
    ]
    model = tools.infer(tools.make_model(nodes, weight | tensors, ["b", 4]))
    RoundWeights(8)(model)
    tools.apply(FuseIntegers(), model, modified=False)
