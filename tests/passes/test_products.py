"""Products of two activations: which become integers, with which attributes, and why others stay."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.helper import make_node, make_tensor_value_info

from qcompile.errors import ModelError
from qcompile.passes._products import before_factors, factor_between, is_product, list_left_products, unscaled
from qcompile.passes.verify import Verify
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import fused, lowered, lowered_network, quantized, run_stock, samples_of


def product_of(a, b, kind=onnx.TensorProto.FLOAT):
    """A MatMul of two inputs of these shapes."""
    inputs = [make_tensor_value_info(name, kind, shape) for name, shape in (("a", a), ("b", b))]
    graph = onnx.helper.make_graph(
        [make_node("MatMul", ["a", "b"], ["y"], name="product")], "g", inputs, [make_tensor_value_info("y", kind, None)]
    )
    return ir.from_proto(onnx.helper.make_model(graph))


FLOAT, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("a", "b", "kind", "reason"),
    [
        (("n", 6, 5, 4), ("n", 6, 4, 3), FLOAT, ""),
        ((5, 4), (4, 3), FLOAT, ""),
        (("n", "t", 4), ("n", 4, "t"), FLOAT, ""),
        (("n", 5, "t"), ("n", "t", 3), FLOAT, ""),
        (("n", 6, 5, 4), ("n", 1, 4, 3), FLOAT, "the same leading axes"),
        (("n", 5, 4), ("m", 4, 3), FLOAT, "the same leading axes"),
        ((None, 5, 4), (None, 4, 3), FLOAT, "the same leading axes"),
        ((2, 5, 4), (4, 3), FLOAT, r"multiplies \[2,5,4\] by \[4,3\]"),
        ((4,), (4, 3), FLOAT, "the same leading axes"),
        ((4,), (4,), FLOAT, "the same leading axes"),
        ((2, 32769), (32769, 2), FLOAT, "32769 products in a sum, at most 32768 fit int32"),
        ((*(1,) * 6, 5, 4), (*(1,) * 6, 4, 3), FLOAT, ""),
        ((*(1,) * 7, 5, 4), (*(1,) * 7, 4, 3), FLOAT, "of 9 axes, integers have at most 8"),
        ((5, 4), (4, 3), DOUBLE, "no float32"),
        (None, (4, 3), FLOAT, "not known"),
    ],
)
def test_what_integers_can_multiply(a, b, kind, reason):
    model = product_of(a, b, kind)
    left = list_left_products(model)
    assert is_product(model.graph[0]) == (not reason)
    if not reason:
        return
    [(name, found)] = left
    assert name == "product"
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(found)


def test_a_product_with_a_weight_is_none():
    for name in ("sequence", "constant_input", "reshaped"):
        model = fused(NETWORKS[name]())
        assert not any(is_product(node) for node in model.graph)
        assert list_left_products(model) == []


def scaled(*nodes, tensors):
    """A chain behind x, whose last output is y."""
    network = Network((3, 4))
    for name, array in tensors.items():
        network.constant(name, array)
    network.nodes += nodes
    return ir.from_proto(network.gives("y").proto())


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ([make_node("Mul", ["x", "two"], ["y"])], 2.0),
        ([make_node("Mul", ["two", "x"], ["h"]), make_node("Div", ["h", "eight"], ["y"])], 0.25),
        ([make_node("Div", ["x", "eight"], ["h"]), make_node("Mul", ["h", "minus"], ["y"])], -0.375),
        ([make_node("Div", ["eight", "x"], ["y"])], None),
        ([make_node("Mul", ["x", "each"], ["y"])], None),
        ([make_node("Mul", ["x", "none"], ["y"])], None),
        ([make_node("Mul", ["x", "infinite"], ["y"])], None),
        ([make_node("Mul", ["x", "axes"], ["y"])], None),
        ([make_node("Mul", ["x", "x"], ["y"])], None),
        ([make_node("Add", ["x", "two"], ["y"])], None),
    ],
)
def test_single_constants_are_factors(tools, nodes, wanted):
    numbers = {"two": 2, "eight": [8], "minus": -3, "none": 0, "infinite": np.inf, "each": [1, 2, 3, 4]}
    tensors = {name: np.array(number, np.float32) for name, number in numbers.items()}
    model = tools.infer(scaled(*nodes, tensors=tensors | {"axes": np.full((1, 1, 1, 1), 2, np.float32)}))
    [end] = model.graph.outputs
    start = before_factors(end)
    assert unscaled(end) is start
    if wanted is None:
        assert start is end
    else:
        assert start is model.graph.inputs[0]
        assert factor_between(start, end) == wanted


def products(model):
    return {node.name: node for node in model.graph if node.op_type.startswith("IntegerProduct")}


def test_attributes_and_shapes_of_attention():
    model = lowered_network("attention")
    scores, mixed = products(model).values()
    assert (scores.op_type, mixed.op_type) == ("IntegerProductFloat", "IntegerProduct")
    assert [node.attributes["k"].as_int() for node in (scores, mixed)] == [4, 10]
    assert mixed.attributes["a_zero_point"].as_int() == 0  # a softmax gives nothing below zero
    assert [value.shape.dims[1:] for value in scores.inputs] == [(3, 10, 4), (3, 4, 10)]
    for node in (scores, mixed):  # transposes stay before and behind, until FuseMoves
        assert [tuple(node.attributes[name].as_ints()) for name in ("a_perm", "b_perm", "y_perm")] == [(0, 1, 2, 3)] * 3
    assert scores.outputs[0].name.startswith("div")  # the constant went into its scale
    Verify()(lowered_network("attention"))


def test_codes_of_fewer_bits_are_told():
    model = lowered(quantized(NETWORKS["attention"](), bits=5))
    assert [node.attributes["a_bits"].as_int() for node in products(model).values()] == [5, 5]


def test_products_that_stay_float_tell_why():
    left = dict(list_left_products(fused(NETWORKS["products_that_stay_float"]())))
    assert len(left) == 2
    assert all("only matrices of the same leading axes" in reason for reason in left.values())
    assert not products(lowered_network("products_that_stay_float"))


@pytest.mark.parametrize("name", ["attention", "attention_of_scaled_inputs", "products_with_other_readers"])
def test_the_kept_outputs_are_near_those_of_the_float_model(name):
    """Eight bits, softmax behind the first product: a twentieth of the largest output is far away."""
    network = NETWORKS[name]()
    before, after, feeds = fused(network), lowered_network(name), samples_of(network)
    wanted, found = run_stock(before, feeds), run_stock(after, feeds)
    for output in before.graph.outputs:
        largest = np.abs(wanted[output.name]).max()
        assert np.abs(found[output.name] - wanted[output.name]).max() <= largest / 20


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("a_zero_point", 256, "a_zero_point is 256, wanted 0 to 255"),
        ("b_zero_point", None, "b_zero_point is -1"),
        ("b_perm", (0, 1, 3, 3), r"b_perm \[0, 1, 3, 3\] and y_perm .* are no orders of the same axes"),
        ("a_perm", None, "a_perm .* are no orders"),
        ("a_bits", 9, "a_bits is 9"),
        ("a_shape", None, r"a_shape is \[\], wanted a size of each axis"),
        ("b_shape", (0, 0, 0), r"b_shape is \[0, 0, 0\], wanted"),
        ("y_shape", (-1, -1), r"y_shape is \[-1, -1\], wanted"),
        ("y_shape", (0, -2), r"y_shape is \[0, -2\], wanted"),
        ("scale", np.inf, "scale is inf"),
        ("bias", None, "bias is nan, wanted a finite float"),
        ("y_min", 256, "no codes in order"),
    ],
)
def test_verify_refuses_what_breaks_a_rule(attribute, value, message):
    model = lowered(quantized(NETWORKS["attention"]()))
    node = next(node for node in model.graph if node.op_type == "IntegerProduct")
    node.attributes.pop(attribute, None)
    if value is not None:
        node.attributes[attribute] = ir.convenience.convert_attribute(attribute, value)
    with pytest.raises(ModelError, match=message):
        Verify()(model)
