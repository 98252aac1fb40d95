import numpy as np
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.errors import ModelError
from qcompile.passes._integer_weight import find_step, read_integer_weight
from qcompile.passes.fold_batchnorm import FoldBatchNorm
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.fuse_integers import FuseIntegers
from qcompile.passes.verify import Verify
from tests.network import Network
from tests.quantizing import fused, lowered, quantized


def fused_layer(codebook, shape=(12, 6, 3, 3), groups=1, scale=None):
    """A fused convolution with a random weight of ``codebook``; what its float weight is."""
    network = Network((shape[1], 8, 8))
    weight = network.lookup(shape, "a.weight", codebook, groups=groups)
    if scale is not None:
        weight = network.add("Mul", [weight, network.constant("scale", scale)])
    network.gives(network.add("Conv", ["x", weight, network.random("a.bias", shape[0])]))
    model = ir.from_proto(network.proto())
    for rewrite in (FuseCodebookConv(), FuseCodebookMatMul(), FoldBatchNorm()):
        rewrite(model)
    table, indices = network.tensors["a.weight.codebook"], network.tensors["a.weight.indices"]
    value = table[indices] if groups == 1 else np.take_along_axis(table, indices, axis=1)
    return model.graph[0], value.reshape(shape) * (1 if scale is None else scale)


def decoded(weight):
    """The float weight that whole numbers and steps stand for."""
    if weight.codebook.size:
        groups = len(weight.codebook)
        whole = np.take_along_axis(weight.codebook, weight.indices.reshape(groups, -1).astype(int), axis=1)
    else:
        whole = weight.indices.astype(int) - 2 ** (weight.bits - 1)
    return whole.reshape(weight.indices.shape) * weight.step.reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("step", [1.0, 0.1, 3e-5, 7e20])
@pytest.mark.parametrize(
    ("numbers", "bits", "stored"),
    [
        ([-1, 1], 1, 2),
        ([0, 1], 1, 2),
        ([-1, 0], 1, 0),
        ([-2, -1, 0, 1], 2, 0),
        ([-1, 0, 1], 2, 0),
        ([0, 1, 2, 3], 2, 4),
        ([-3, 0, 5], 2, 4),
        ([-64, -5, 1, 63, 64], 3, 8),
        (range(-8, 8), 4, 0),
        (range(-127, 128), 8, 0),
        (range(-128, 128), 8, 0),
        ([0], 1, 0),
    ],
)
def test_whole_multiples_of_a_step_are_exact(numbers, bits, stored, step):
    node, wanted = fused_layer(np.array(numbers, np.float32) * np.float32(step), shape=(40, 6, 3, 3))
    weight = read_integer_weight(node)
    assert (weight.bits, weight.codebook.size) == (bits, stored)
    np.testing.assert_allclose(decoded(weight), wanted, rtol=2**-21, atol=0)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_other_entries_are_rounded_to_127_steps(rng, groups):
    codebook = np.sort(rng.standard_normal((groups, 7)))
    node, wanted = fused_layer(codebook if groups > 1 else codebook[0], groups=groups)
    weight = read_integer_weight(node)
    assert weight.codebook.shape == (groups, 8)
    assert np.abs(weight.codebook.astype(int)).max(axis=1).tolist() == [127] * groups
    largest = np.repeat(np.abs(codebook).max(axis=1), 12 // groups).reshape(-1, 1, 1, 1)
    assert (np.abs(decoded(weight) - wanted) <= largest / 127 * 0.5001).all()


def test_a_scale_for_each_output_goes_into_the_steps(rng):
    scale = rng.uniform(0.1, 2, (12, 1, 1, 1)).astype(np.float32)
    node, wanted = fused_layer(np.arange(-4, 4), scale=scale)
    weight = read_integer_weight(node)
    assert not weight.codebook.size
    np.testing.assert_allclose(decoded(weight), wanted, rtol=1e-6)
    np.testing.assert_array_equal(weight.bias, node.inputs[4].const_value.numpy().astype(np.float64))


def test_codebooks_that_need_one_and_those_that_need_none_share_a_layer():
    books = np.array([[-2, -1, 0, 1], [-3, -1, 0, 1]], np.float32)
    node, wanted = fused_layer(books, groups=2)
    weight = read_integer_weight(node)
    assert weight.codebook.shape == (2, 4)
    np.testing.assert_array_equal(decoded(weight), wanted)


@pytest.mark.parametrize(("channels", "stored"), [(12, 128), (5, 0)])
def test_a_small_weight_has_no_codebook_where_a_bit_more_is_smaller(channels, stored):
    numbers = np.r_[-128, 127, np.arange(-50, 50)]  # 102 of them: 7 bits, or all of 8 bits without a codebook
    node, wanted = fused_layer(numbers * np.float32(0.5), shape=(16, channels, 3, 3))
    weight = read_integer_weight(node)
    assert (weight.bits, weight.codebook.size) == (7 if stored else 8, stored)
    np.testing.assert_array_equal(decoded(weight), wanted)


@pytest.mark.parametrize(
    ("entries", "step"),
    [
        ([0.0, 0.0], 1.0),
        ([-0.5, 0.5], 0.5),
        ([3.0, 6.0, 9.0], 3.0),
        ([-128.0, 127.0], 1.0),
        ([128.0, 1.0], 128 / 127),
        ([1.0, np.pi], np.pi / 127),
        ([-1e-40, 1e-40], 1e-40),
    ],
)
def test_finds_the_largest_step(entries, step):
    assert find_step(np.array(entries)) == pytest.approx(step, rel=1e-6)


@pytest.mark.parametrize("numbers", [range(-127, 128), [-100, 3, 7], [-128, -1, 127]])
def test_float32_rounding_of_the_entries_hides_no_step(numbers):
    for step in np.random.default_rng(0).uniform(1e-3, 10, 50).astype(np.float32):
        entries = np.array(numbers, np.float32) * step
        assert find_step(entries.astype(np.float64)) == pytest.approx(step, rel=1e-6)


def test_a_sum_of_too_many_products_is_an_error():
    network = Network((65537,))
    network.constant("a.weight.codebook", np.array([-1, 1], np.float32))
    network.constant("a.weight.indices", np.zeros((2, 65537), np.int32))
    weight = network.add("Gather", ["a.weight.codebook", "a.weight.indices"], "a.weight", axis=0)
    before = quantized(network.gives(network.add("Gemm", ["x", weight], transB=1)))
    with pytest.raises(ModelError, match="a: 65537 products in a sum, at most 65536 fit int32"):
        Verify()(lowered(before))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.attributes.pop("x_zero_point"), "x_zero_point is -1, wanted 0 to 255"),
        (lambda n: n.attributes.add(ir.AttrInt64("x_zero_point", 256)), "x_zero_point is 256, wanted 0 to 255"),
        (lambda n: n.attributes.add(ir.AttrInt64("x_bits", 9)), "x_bits is 9, wanted 1 to 8"),
        (lambda n: n.attributes.add(ir.AttrInt64("y_min", 9)), "y_min 9 and y_max 3 are no codes in order"),
        (lambda n: n.attributes.pop("y_max"), "y_min 0 and y_max -1 are no codes in order"),
        (lambda n: n.attributes.add(ir.AttrInt64s("pads", [0, 0])), r"pads is \[0, 0\], wanted 4 ints"),
        (lambda n: n.attributes.add(ir.AttrInt64s("strides", [0, 1])), r"strides is \[0, 1\], wanted 2 ints, each at"),
        (lambda n: n.attributes.add(ir.AttrInt64s("weight_shape", [6, 4])), r"weight_shape of IntegerConv is \[6, 4\]"),
        (lambda n: n.attributes.add(ir.AttrInt64("bits", 7)), "7-bit tiles of weight"),
        (lambda n: n.replace_input_with(0, None), "5 inputs, wanted x, indices, codebook, scale, bias"),
        (lambda n: n.replace_input_with(4, n.inputs[0]), "bias is not an initializer"),
    ],
)
def test_verify_refuses_a_layer_that_breaks_a_rule(change, message):
    model = lowered(quantized(small_region()))
    layer = next(node for node in model.graph if node.op_type == "IntegerConv")
    layer.attributes.add(ir.AttrInt64("y_max", 3))
    change(layer)
    with pytest.raises(ModelError, match=message):
        Verify()(model)


@pytest.mark.parametrize(
    ("op_type", "change", "message"),
    [
        ("IntegerMaxPool", lambda n: n.attributes.add(ir.AttrInt64s("pads", [2, 0, 0, 0])), "not smaller than the ker"),
        ("IntegerMaxPool", lambda n: n.attributes.add(ir.AttrInt64s("kernel_shape", [])), r"kernel_shape is \[\]"),
        ("IntegerMaxPool", lambda n: n.attributes.pop("strides"), r"strides is \[\], wanted 2 ints"),
        (
            "IntegerAdd",
            lambda n: n.attributes.add(ir.AttrFloat32("a_scale", np.inf)),
            "a_scale is inf, wanted a finite",
        ),
        ("IntegerAdd", lambda n: n.attributes.pop("bias"), "bias is nan, wanted a finite float"),
        ("IntegerTable", lambda n: set_operand(n, 1, np.zeros(255, np.uint8)), r"the table is not uint8 \[256\]"),
        ("QuantizeInput", lambda n: set_operand(n, 1, np.full(4, np.nan, np.float32)), r"scale is float32 \[4\], wan"),
        ("QuantizeInput", lambda n: set_operand(n, 2, np.zeros(3, np.float32)), r"bias is float32 \[3\], wanted a"),
    ],
)
def test_verify_refuses_another_operator_that_breaks_a_rule(op_type, change, message):
    model = lowered(quantized(small_region()))
    Verify()(model)
    change(next(node for node in model.graph if node.op_type == op_type))
    with pytest.raises(ModelError, match=message):
        Verify()(model)


def set_operand(node, position, array):
    node.inputs[position].const_value = ir.tensor(array)


def small_region():
    network = Network((4, 6, 6))
    a = network.conv("x", (6, 4, 1, 1), "a")
    pooled = network.add("MaxPool", [a], kernel_shape=[2, 2])
    other = network.add("MaxPool", [network.add("Sigmoid", [a])], kernel_shape=[2, 2])
    return network.gives(network.conv(network.add("Add", [pooled, other]), (4, 6, 1, 1), "b"))


def test_every_integer_operator_is_verified_after_fusing():
    after = lowered(quantized(small_region()))
    assert {node.op_type for node in after.graph} >= {
        *("IntegerConv", "IntegerMaxPool", "IntegerTable", "IntegerAdd", "IntegerConvFloat"),
    }
    assert FuseIntegers()(after).modified is False
    assert fused(small_region()).graph  # the same network every time


def test_a_normalization_of_every_form_is_folded_into_the_input():
    network = Network((3, 6, 6))
    a = network.add("Mul", [network.number(0.5), "x"])
    b = network.add("Add", [network.random("shift", 1, 3, 1, 1), a])
    c = network.add("Div", [b, network.random("by", 3, 1, 1, low=0.5)])
    d = network.add("Sub", [c, network.constant("less", np.full((1, 1, 1, 1), 0.25, np.float32))])
    after = lowered(quantized(network.gives(network.conv(d, (4, 3, 1, 1), "a"))))
    assert sorted(node.op_type for node in after.graph if node.op_type not in ("Transpose", "DequantizeLinear")) == [
        "IntegerConvFloat",
        "QuantizeInput",
    ]
    assert after.graph[0].inputs[0] is after.graph.inputs[0]


@pytest.mark.parametrize(
    "node",
    [
        make_node("Sub", ["c", "x"], ["n"]),
        make_node("Div", ["c", "x"], ["n"]),
        make_node("Mul", ["x", "zero"], ["n"]),
        make_node("Add", ["x", "row"], ["n"]),
        make_node("Mul", ["x", "huge"], ["n"]),
    ],
)
def test_other_arithmetic_stays_in_front(node):
    network = Network((3, 6, 6))
    for name, value in (("c", 2.0), ("zero", 0.0), ("huge", 3e38)):
        network.constant(name, np.float32(value))
    network.random("row", 6)
    network.nodes.append(node)
    network.tensors = {name: array for name, array in network.tensors.items() if name in node.input}
    model = fused(network.gives(network.conv("n", (4, 3, 1, 1), "a")))
    from qcompile.calibration import Range
    from qcompile.passes.insert_qdq import InsertQdq

    InsertQdq({"n": Range(-3, 3, 8)})(model)
    after = lowered(model)
    assert node.op_type in [n.op_type for n in after.graph]
    Verify()(after)
