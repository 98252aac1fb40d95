import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.integer_ops import MAX_TERMS
from qcompile.packed_model import packed_layers
from qcompile.passes import dynamic_passes
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.quantize_dynamically import QuantizeDynamically, becomes_dynamic, list_left_float
from qcompile.passes.round_weights import RoundWeights

LAYERS = [
    ("MatMul", (6, 5), {}),
    ("Gemm", (6, 5), {}),
    ("Gemm", (5, 6), {"transB": 1, "alpha": 0.5}),
]


def fused(tools, rng, op_type="Gemm", shape=(5, 6), bits=4, bias=True, **attributes):
    tensors = {"fc.weight": rng.standard_normal(shape).astype(np.float32)}
    inputs = ["x", "fc.weight"]
    if op_type == "Gemm" and bias:
        tensors["fc.bias"] = rng.standard_normal(5).astype(np.float32)
        inputs.append("fc.bias")
    model = tools.make_model([make_node(op_type, inputs, ["y"], **attributes)], tensors, ["b", 6])
    RoundWeights(bits)(model)
    FuseCodebookMatMul()(model)
    return model


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("op_type", "shape", "attributes"), LAYERS)
def test_the_weight_stays_the_same(tools, rng, op_type, shape, attributes, bits):
    before = fused(tools, rng, op_type, shape, bits, **attributes)
    after = tools.apply(QuantizeDynamically(8), before)
    [node] = after.graph
    assert (node.name, node.op_type) == ("fc", "IntegerMatMulDynamic")
    assert "x_bits" not in node.attributes
    assert node.attributes["bits"].as_int() == bits
    assert tuple(node.attributes["weight_shape"].as_ints()) == (5, 6)
    wanted, found = (packed_layers(ir.to_proto(model))[0].effective_weight() for model in (before, after))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


def test_operands_keep_their_names(tools, rng):
    after = tools.apply(QuantizeDynamically(8), fused(tools, rng, transB=1))
    assert list(tools.initializers(after)) == [
        *("fc.weight.indices", "fc.weight.codebook", "fc.weight.scale", "fc.bias")
    ]


def test_bits_of_rows_are_an_attribute(tools, rng):
    after = tools.apply(QuantizeDynamically(5), fused(tools, rng, transB=1))
    assert after.graph[0].attributes["x_bits"].as_int() == 5


@pytest.mark.parametrize("bits", [4, 8])
def test_the_numbers_are_near_and_what_the_reference_says(tools, rng, bits):
    before = fused(tools, rng, transB=1)
    after = tools.apply(QuantizeDynamically(bits), before)
    tools.assert_same_numbers(after, after)
    feeds = tools.feeds(before)
    [wanted], [found] = (tools.run_onnxruntime(model, feeds) for model in (before, after))
    assert 0 < np.abs(found - wanted).max() <= 2 * 2.0**-bits * np.abs(feeds["x"]).sum(axis=1).max() * 3


def test_two_layers_that_share_a_weight_and_a_learned_one(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (6, 6), 4)
    nodes += [make_node("Gemm", ["x", "fc.weight"], ["h"], transB=1), make_node("MatMul", ["h", "fc.weight"], ["y"])]
    model = tools.make_model(nodes, tensors, ["b", 6])
    FuseCodebookMatMul()(model)
    after = tools.apply(QuantizeDynamically(8), model)
    assert tools.op_types(after) == ["IntegerMatMulDynamic"] * 2
    assert all(len(layer.codebook) == 1 for layer in packed_layers(ir.to_proto(after)))


def test_corrections_stay_behind_their_layer(tools, rng):
    nodes, tensors, weight = tools.make_lookup(rng, (5, 6), 4)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, weight, corrections=3)
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    model = tools.make_model(nodes, tensors, ["b", 6])
    FuseCodebookMatMul()(model)
    after = tools.apply(QuantizeDynamically(8), model)
    assert tools.op_types(after) == ["IntegerMatMulDynamic", "SparseMatMul"]
    [layer] = packed_layers(ir.to_proto(after))
    assert layer.corrections.count == 3
    tools.assert_same_numbers(after, after)


def test_leaves_sums_alone_that_do_not_fit(tools):
    tensors = {"w.codebook": np.array([-1, 1], np.float32), "w.indices": np.zeros((MAX_TERMS + 1, 2), np.int32)}
    nodes = [make_node("Gather", ["w.codebook", "w.indices"], ["w"], axis=0), make_node("MatMul", ["x", "w"], ["y"])]
    model = tools.make_model(nodes, tensors, ["b", MAX_TERMS + 1])
    FuseCodebookMatMul()(model)
    tools.apply(QuantizeDynamically(8), model, modified=False)
    assert [reason for _, reason in list_left_float(model)] == ["65537 products in a sum, at most 65536 fit int32"]


LEFT = [
    (make_node("Gemm", ["w", "x"], ["y"]), (4, 4), [4, 3], "its constant is the left operand"),
    (make_node("MatMul", ["x", "w"], ["y"]), (2, 4, 5), [2, 3, 4], "its weight is float32 [2, 4, 5], not"),
    (make_node("Gemm", ["x", "w", "x"], ["y"]), (4, 4), [4, 4], "its bias is not constant"),
    (make_node("Conv", ["x", "w"], ["y"]), (2, 3, 1, 1), [1, 3, 4, 4], "only MatMul and Gemm become"),
]


@pytest.mark.parametrize(("node", "shape", "x_shape", "reason"), LEFT)
def test_what_does_not_fit_stays_float_and_is_told(tools, rng, node, shape, x_shape, reason):
    model = tools.make_model([node], {"w": rng.standard_normal(shape).astype(np.float32)}, x_shape)
    assert not becomes_dynamic(model.graph[0])
    for rewrite in dynamic_passes(4, 8, functions=False):
        rewrite(model)
    assert tools.op_types(model) == [node.op_type]
    [(name, found)] = list_left_float(model)
    assert name == "y"
    assert found.startswith(reason)


def test_a_weight_of_sums_that_do_not_fit_is_packed_and_multiplies_floats(tools, rng):
    weight = rng.standard_normal((MAX_TERMS + 1, 1)).astype(np.float32)
    model = tools.make_model([make_node("MatMul", ["x", "w"], ["y"])], {"w": weight}, ["b", MAX_TERMS + 1])
    assert not becomes_dynamic(model.graph[0])
    for rewrite in dynamic_passes(4, 8, functions=False):
        rewrite(model)
    assert tools.op_types(model) == ["CodebookMatMul"]
    assert list_left_float(model) == [("y", "65537 products in a sum, at most 65536 fit int32")]


def test_a_weight_that_is_not_finite_is_told(tools):
    weight = np.full((4, 5), np.inf, np.float32)
    model = tools.make_model([make_node("MatMul", ["x", "w"], ["y"], name="fc")], {"w": weight}, ["b", 4])
    assert list_left_float(model) == [("fc", "its weight has a value that is not finite")]


def test_a_layer_inside_a_subgraph_is_told(tools):
    body = onnx.helper.make_graph(
        [make_node("MatMul", ["x", "w"], ["b"], name="inner")],
        "body",
        [],
        [onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, None)],
    )
    nodes = [make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)]
    tensors = {"w": np.ones((4, 4), np.float32), "c": np.array(True)}
    model = tools.make_model(nodes, tensors, ["b", 4])
    assert set(list_left_float(model)) == {("inner", "it is inside a subgraph")}


def test_a_product_of_two_computed_tensors_is_no_layer(tools):
    model = tools.make_model([make_node("MatMul", ["x", "x"], ["y"])], {}, [4, 4])
    assert list_left_float(model) == []
