"""Quantized weights become lookups of their own codes, quantized biases the floats that they are."""

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from qcompile.passes._integer_weight import read_integer_weight
from qcompile.passes._operands import fused_nodes
from qcompile.passes.adopt_quantized_weights import AdoptQuantizedWeights, choose_entries, list_left_quantized
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.infer_shapes import InferShapes
from tests.quantized_network import QuantizedNetwork, run


def model_of(net):
    model = ir.from_proto(net.proto())
    InferShapes()(model)
    return model


def assert_same_floats(before, after, seed=3):
    shape = [size if isinstance(size, int) else 4 for size in before.graph.inputs[0].shape.dims]
    feeds = {"x": np.random.default_rng(seed).standard_normal(shape).astype(np.float32)}
    wanted, found = (run(ir.to_proto(model), feeds) for model in (before, after))
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


def read_packed(after):
    """The weight of the one layer of ``after`` as integers read it: whole numbers, bits, steps."""
    model = after.clone()
    for rewrite in (FuseCodebookMatMul(), FuseCodebookConv()):
        rewrite(model)
    [layer] = fused_nodes(model)
    weight = read_integer_weight(layer)
    half = 2 ** (weight.bits - 1)
    whole = weight.codebook[0][weight.indices] if weight.codebook.size else weight.indices.astype(np.int64) - half
    return whole, weight


# By name: the operator, the shape of x, the shape of the weight, the axis of its outputs, attributes.
LAYERS = {
    "conv": ("Conv", (3, 6, 5), (8, 3, 3, 2), 0, {"pads": [0, 1, 2, 0]}),
    "conv of one axis": ("Conv", (3, 9), (4, 3, 3), 0, {}),
    "grouped": ("Conv", (6, 5, 5), (8, 3, 3, 3), 0, {"group": 2}),
    "depthwise": ("Conv", (6, 5, 5), (6, 1, 3, 3), 0, {"group": 6, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "gemm of rows": ("Gemm", (12,), (7, 12), 0, {"transB": 1}),
    "gemm of columns": ("Gemm", (12,), (12, 7), 1, {"alpha": 0.5}),
    "matmul": ("MatMul", (12,), (12, 7), 1, {}),
    "matmul of sequences": ("MatMul", (3, 12), (12, 7), 1, {}),
    "matmul of images": ("MatMul", (2, 3, 12), (12, 7), 1, {}),
}


def network_of(layer, codes, **options):
    op_type, x_shape, _, axis, attributes = LAYERS[layer]
    net = QuantizedNetwork(x_shape)
    weight = net.weight(codes, "fc", axis=axis, **options)
    return net.gives(net.add(op_type, ["x", weight], **attributes))


@pytest.mark.parametrize("scale", [None, 0.013], ids=["for each output", "for all"])
@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_every_layer_keeps_its_codes_and_its_floats(tools, layer, scale):
    net = network_of(layer, codes := QuantizedNetwork((1,)).random_codes(8, *LAYERS[layer][2]), scale=scale)
    before = model_of(net)
    after = tools.apply(AdoptQuantizedWeights(), before)
    assert_same_floats(before, after)
    assert not {"DequantizeLinear"} & set(tools.op_types(after))
    whole, weight = read_packed(after)
    rows = codes if LAYERS[layer][3] == 0 else codes.T
    np.testing.assert_array_equal(whole, rows)
    assert (weight.bits, weight.codebook.size) == (8, 0)
    factor = LAYERS[layer][4].get("alpha", 1.0)
    wanted = np.broadcast_to(net.tensors["fc.weight.scale"], len(rows)) * factor
    # The step of a scale for all is found in the product with the largest code: two roundings of float32.
    np.testing.assert_allclose(weight.step, wanted, rtol=2.0**-23 if scale else 0)
    assert list_left_quantized(after) == []


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_grid_of_any_width_needs_no_codebook(tools, bits):
    codes = QuantizedNetwork((1,)).random_codes(bits, *LAYERS["conv"][2])
    whole, weight = read_packed(tools.apply(AdoptQuantizedWeights(), model_of(network_of("conv", codes))))
    np.testing.assert_array_equal(whole, codes)
    assert (weight.bits, weight.codebook.size) == (bits, 0)


# Codes that occur, then the bits and the entries of the codebook that they take when they are many.
CODES = [
    ([-1, 0, 1], 2, []),
    ([-1, 1], 1, [-1, 1]),
    ([-1, 0], 1, []),
    ([-4, 3], 1, [-4, 3]),
    ([-6, -4, -2, 0, 2, 4, 6], 3, []),
    ([0, 1, 2, 3], 2, [0, 1, 2, 3]),
    ([-8, -3, 1, 7], 2, [-8, -3, 1, 7]),
    ([-128, 127], 1, [-128, 127]),
    (list(range(-7, 8)), 4, []),
    (list(range(-128, 128)), 8, []),
]


@pytest.mark.parametrize(("values", "bits", "codebook"), CODES, ids=str)
def test_weights_take_the_bits_that_their_codes_need(tools, values, bits, codebook):
    codes = np.resize(np.array(values), (16, 3, 3, 2))
    net = QuantizedNetwork((3, 6, 5))
    before = model_of(net.gives(net.add("Conv", ["x", net.weight(codes, "fc")])))
    after = tools.apply(AdoptQuantizedWeights(), before)
    assert_same_floats(before, after)
    whole, weight = read_packed(after)
    step = weight.step[0] / net.tensors["fc.weight.scale"][0]  # codes that are all even are halved
    np.testing.assert_array_equal(np.rint(whole * step), codes)
    assert (weight.bits, (weight.codebook * round(step)).reshape(-1).tolist()) == (bits, codebook)


@pytest.mark.parametrize(("values", "bits"), [([0], 1), ([5], 1), ([-3], 1)])
def test_weights_that_are_all_alike_take_one_bit(tools, values, bits):
    codes = np.resize(np.array(values), (8, 3, 3, 2))
    net = QuantizedNetwork((3, 6, 5))
    after = model_of(net.gives(net.add("Conv", ["x", net.weight(codes, "fc", scale=0.1)])))
    before = after.clone()
    AdoptQuantizedWeights()(after)
    assert_same_floats(before, after)
    assert read_packed(after)[1].bits == bits


def test_a_codebook_that_takes_more_bytes_than_it_saves_is_not_made():
    codes = np.array([-8, -3, 1, 7])
    assert choose_entries(np.resize(codes, 10)).tolist() == list(range(-8, 8))
    assert choose_entries(np.resize(codes, 100)).tolist() == codes.tolist()


@pytest.mark.parametrize(("kind", "zero_point"), [("uint8", 128), ("uint4", 8), ("int4", None), ("int8", -20)])
def test_codes_of_other_types_less_their_zero_point(tools, kind, zero_point):
    codes = QuantizedNetwork((1,)).random_codes(4, *LAYERS["conv"][2])
    before = model_of(network_of("conv", codes + (zero_point or 0), kind=kind, zero_point=zero_point))
    after = tools.apply(AdoptQuantizedWeights(), before)
    assert_same_floats(before, after)
    whole, weight = read_packed(after)
    np.testing.assert_array_equal(whole, codes)
    assert weight.bits == 4


@pytest.mark.parametrize(("kind", "bits"), [("int2", 2), ("uint2", 2)])
def test_codes_of_two_bits(tools, kind, bits):
    """Not run: not every onnxruntime knows the type."""
    zero_point = 2 if kind == "uint2" else 0
    codes = QuantizedNetwork((1,)).random_codes(2, 7, 12)
    array = (codes + zero_point).astype(getattr(ml_dtypes, kind))
    stored = [
        ir.Value(name=name, const_value=ir.tensor(np.asarray(found), name=name))
        for name, found in (
            ("fc.weight", array),
            ("scale", np.float32(0.25)),
            ("zero", np.asarray(zero_point).astype(array.dtype)),
        )
    ]
    x = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(["b", 12]))
    numbers = ir.node("DequantizeLinear", stored)
    layer = ir.node("Gemm", [x, numbers.outputs[0]], {"transB": 1}, name="fc")
    graph = ir.Graph([x], layer.outputs, nodes=[numbers, layer], initializers=stored, opset_imports={"": 25}, name="g")
    model = ir.Model(graph, ir_version=13)
    AdoptQuantizedWeights()(model)
    whole, weight = read_packed(model)
    np.testing.assert_array_equal(whole, codes)
    assert (weight.bits, weight.step.tolist()) == (bits, [0.25] * 7)


def test_weights_that_are_rounded_and_cut_in_the_graph(tools):
    net = QuantizedNetwork((3, 6, 5))
    scale, zero = net.random("s", 8, low=0.05, high=0.1), net.codes_of("z", "int8", [0] * 8)
    weight = net.constant("fc.weight", (net.rng.standard_normal((8, 3, 3, 2)) / 2).astype(np.float32))
    codes = net.add("QuantizeLinear", [weight, scale, zero], axis=0)
    cut = net.add("Clip", [codes, net.codes_of("low", "int8", -4), net.codes_of("high", "int8", 3)])
    before = model_of(net.gives(net.add("Conv", ["x", net.add("DequantizeLinear", [cut, scale, zero], axis=0)])))
    after = tools.apply(AdoptQuantizedWeights(), before)
    assert_same_floats(before, after)
    assert set(tools.op_types(after)) == {"Gather", "Mul", "Conv"}
    assert read_packed(after)[1].bits == 3


def test_a_weight_that_is_moved_behind_its_dequantization(tools):
    net = QuantizedNetwork((12,))
    weight = net.add("Transpose", [net.weight(net.random_codes(5, 7, 12), "fc")])
    before = model_of(net.gives(net.add("MatMul", ["x", weight])))
    after = tools.apply(AdoptQuantizedWeights(), before)
    assert_same_floats(before, after)
    assert read_packed(after)[1].bits == 5


def test_biases_become_floats(tools):
    net = QuantizedNetwork((12,))
    weight = net.weight(net.random_codes(8, 7, 12), "fc")
    net.constant("bias", net.rng.integers(-(2**30), 2**30, 7).astype(np.int32))
    bias = net.add("DequantizeLinear", ["bias", net.random("bias.scale", 7, low=1e-9, high=1e-8)], axis=0)
    before = model_of(net.gives(net.add("Gemm", ["x", weight, bias], transB=1)))
    after = tools.apply(AdoptQuantizedWeights(), before)
    assert_same_floats(before, after)
    assert tools.initializers(after)["bias"].dtype == np.float32


def test_two_layers_share_one_lookup(tools):
    net = QuantizedNetwork((12,))
    weight = net.weight(net.random_codes(8, 12, 12), "fc", scale=0.1)
    before = model_of(net.gives(net.add("MatMul", [net.add("MatMul", ["x", weight]), weight])))
    after = tools.apply(AdoptQuantizedWeights(), before)
    assert_same_floats(before, after)
    assert sorted(tools.op_types(after)) == ["Gather", "MatMul", "MatMul", "Mul"]


def odd(name):
    net = QuantizedNetwork((12, 12))
    codes = net.random_codes(8, 12, 12)
    if name == "do not fit int8":
        weight = net.weight(codes + 128, "fc", kind="uint8")
    elif name == "scale is not one factor for each":
        weight = net.weight(codes, "fc", axis=0)
    elif name == "scale for each block":
        net.constant("blocks", np.full((3, 12), 0.1, np.float32))
        net.codes_of("codes", "int8", codes)
        weight = net.add("DequantizeLinear", ["codes", "blocks"], axis=0, block_size=4)
    elif name == "not finite float32":
        net.constant("half", np.array(0.1, np.float16))
        half = net.add("DequantizeLinear", [net.codes_of("codes", "int8", codes), "half"])
        return net.gives(net.add("Cast", [net.add("MatMul", [net.add("Cast", ["x"], to=10), half])], to=1))
    else:
        return net.gives(net.add("MatMul", [net.weight(codes, "fc"), "x"]))
    return net.gives(net.add("MatMul", ["x", weight]))


@pytest.mark.parametrize(
    "reason",
    [
        *("do not fit int8", "scale is not one factor for each", "scale for each block", "not finite float32"),
        "the codebook weight is its left operand",
    ],
)
def test_what_stays_is_told_with_its_reason(tools, reason):
    net = odd(reason)
    model = tools.apply(AdoptQuantizedWeights(), model_of(net), modified=False)
    [(name, told)] = list_left_quantized(model)
    assert name == next(node.name for node in model.graph if node.op_type == "MatMul")
    assert reason in told


def test_embeddings_and_activations_stay(tools):
    net = QuantizedNetwork((12,))
    weight = net.weight(net.random_codes(8, 12, 12), "fc", scale=0.1)
    row = net.add("Gather", [weight, net.sizes(3)], axis=0)
    model = model_of(net.gives(net.add("Add", [net.pair("x", 0.1), row])))
    after = tools.apply(AdoptQuantizedWeights(), model, modified=False)
    assert list_left_quantized(after) == []
