"""Which tensors are quantized: found back from the inputs of layers."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.passes._activations import (
    MOST_UNARY_NODES,
    absorbed,
    before_cuts,
    is_cut,
    is_mean_of_space,
    is_residual,
    moved_inputs,
    node_order,
    quantized_tensors,
    unary_source,
)
from tests.network import Network
from tests.networks import NETWORKS
from tests.quantizing import fused, quantized


def names(network):
    return [value.name for value in quantized_tensors(fused(network))]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("plain", {"x", "relu1", "relu3", "maxpool4", "flatten5", "relu7"}),
        ("normalized", {"x", "clip2", "clip5", "globalaveragepool6", "flatten7"}),
        ("residual_of_one_layer", {"x", "relu1", "relu4"}),
        ("residual_of_two_layers", {"x", "relu1", "conv3", "add4"}),
        ("residual_of_no_layer", {"x", "relu1", "maxpool2", "relu4"}),
        ("swish", {"x", "conv0", "mul2"}),
        ("square", {"x", "conv0", "mul1"}),
        ("hard_swish_of_parts", {"x", "conv0", "div4"}),
        ("relu_behind_sigmoid", {"x", "conv0", "relu2"}),
        ("float_readers", {"x", "mul3", "layernormalization6", "reshape5", "conv4"}),
        ("mean_of_the_last_axis", {"x", "sub2"}),
        ("gray_to_color", {"mul0"}),
        ("concatenated_with_a_constant", {"x", "concat2"}),
        ("number_that_adds_an_axis", {"x", "mul2"}),
        ("constant_input", {"x"}),
        ("shape_that_is_computed", {"x", "relu1", "reshape4"}),
    ],
)
def test_tensors_that_are_quantized(name, wanted):
    assert set(names(NETWORKS[name]())) == wanted


def test_what_is_quantized_is_not_quantized_again():
    for name in ("plain", "swish", "concatenated"):
        assert quantized_tensors(quantized(NETWORKS[name]())) == []


def test_of_two_layers_that_are_added_the_one_with_longer_sums_adds():
    for swap in (1, -1):
        network = Network((4, 6, 6))
        a = network.conv("x", (8, 4, 1, 1), "short")
        b = network.conv("x", (8, 4, 3, 3), "long", pads=[1] * 4)
        model = fused(network.gives(network.add("Add", [a, b][::swap])))
        added = model.graph.outputs[0].producer()
        assert absorbed(added, node_order(model)).producer().name == "long"


def values_of(tools, nodes, tensors=(), x_shape=("b", 4, 6, 6), opset=18):
    model = tools.infer(tools.make_model(nodes, dict(tensors), list(x_shape), opset=opset))
    return model, {value.name: value for node in model.graph for value in node.outputs}


@pytest.mark.parametrize(
    ("inputs", "tensors", "wanted"),
    [
        (["x"], {}, True),
        (["x", "low"], {"low": np.float32(1)}, True),
        (["x", "", "low"], {"low": np.array([1], np.float32)}, True),
        (["x", "low"], {"low": np.float32(np.nan)}, False),
        (["x", "computed"], {}, False),
    ],
)
def test_a_cut_is_at_constants(tools, inputs, tensors, wanted):
    nodes = [make_node("ReduceMax", ["x"], ["computed"], keepdims=0), make_node("Clip", inputs, ["y"])]
    _, values = values_of(tools, nodes, tensors)
    assert is_cut(values["y"].producer()) == wanted


def test_a_clip_of_opset_6_has_its_bounds_elsewhere(tools):
    model = tools.make_model([make_node("Clip", ["x"], ["y"], min=0.0, max=6.0)], {}, ["b", 4], opset=6)
    assert not is_cut(model.graph[0])


def test_cuts_are_followed_to_what_others_read(tools):
    nodes = [
        make_node("Sigmoid", ["x"], ["a"]),
        make_node("Relu", ["a"], ["b"]),
        make_node("Relu", ["b"], ["c"]),
        make_node("Relu", ["c"], ["y"]),
        make_node("Tanh", ["b"], ["z"]),
    ]
    _, values = values_of(tools, nodes)
    assert before_cuts(values["y"]).name == "c"


@pytest.mark.parametrize(
    ("shape", "other", "wanted"),
    [
        (("b", 4), ("b", 4), True),
        ((2, 4), (2, 4), True),
        (("b", 4), (1, 4), False),
        (("b", None), ("b", None), False),
        (("b", 4), ("c", 4), False),
    ],
)
def test_a_residual_has_the_shape_of_what_it_is_added_to(shape, other, wanted):
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [make_node("Add", ["x", "z"], ["y"])], "g", [value("x", 1, shape), value("z", 1, other)], [value("y", 1, None)]
    )
    model = ir.from_proto(onnx.helper.make_model(graph))
    assert is_residual(model.graph[0]) == wanted


@pytest.mark.parametrize(
    ("node", "tensors", "wanted"),
    [
        (make_node("Flatten", ["x"], ["y"]), {}, ["x"]),
        (make_node("Concat", ["x", "x"], ["y"], axis=1), {}, ["x", "x"]),
        (make_node("Concat", ["x", "c"], ["y"], axis=1), {"c": np.ones((1, 4, 6, 6), np.float32)}, []),
        (make_node("Flatten", ["c"], ["y"]), {"c": np.ones((1, 4), np.float32)}, []),
        (make_node("Reshape", ["x", "s"], ["y"]), {"s": np.array([0, -1])}, ["x"]),
        (make_node("Dropout", ["x", "r"], ["y"]), {"r": np.float32(0.5)}, ["x"]),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": np.float32(0.5), "t": np.array(False)}, ["x"]),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": np.float32(0.5), "t": np.array(True)}, []),
        (make_node("Softmax", ["x"], ["y"]), {}, []),
    ],
)
def test_what_a_node_moves(tools, node, tensors, wanted):
    model, _ = values_of(tools, [node], tensors)
    assert [value.name for value in moved_inputs(model.graph[0])] == wanted


@pytest.mark.parametrize(
    ("node", "tensors", "opset", "wanted"),
    [
        (make_node("GlobalAveragePool", ["x"], ["y"]), {}, 18, True),
        (make_node("ReduceMean", ["x", "a"], ["y"]), {"a": np.array([3, -2])}, 18, True),
        (make_node("ReduceMean", ["x"], ["y"], axes=[2, 3]), {}, 13, True),
        (make_node("ReduceMean", ["x"], ["y"], axes=[-1, 2], keepdims=0), {}, 13, True),
        (make_node("ReduceMean", ["x"], ["y"]), {}, 18, False),
        (make_node("ReduceMean", ["x", "a"], ["y"]), {"a": np.array([3])}, 18, False),
        (make_node("ReduceMean", ["x", "a"], ["y"]), {"a": np.array([1, 2, 3])}, 18, False),
    ],
)
def test_a_mean_of_space(tools, node, tensors, opset, wanted):
    model, _ = values_of(tools, [node], tensors, opset=opset)
    assert is_mean_of_space(model.graph[0]) == wanted


def chain(length):
    network = Network((4, 6, 6))
    value = network.conv("x", (8, 4, 3, 3), "a")
    for _ in range(length):
        value = network.add("Tanh", [value])
    model = fused(network.gives(value))
    return model, model.graph.outputs[0]


def test_a_chain_of_functions_is_followed_so_far(tools):
    model, end = chain(MOST_UNARY_NODES)
    assert unary_source(end, node_order(model)).name == "conv0"
    model, end = chain(MOST_UNARY_NODES + 1)
    assert unary_source(end, node_order(model)) is None


@pytest.mark.parametrize(
    "nodes",
    [
        [make_node("Softmax", ["h"], ["y"])],
        [make_node("Mul", ["h", "each"], ["y"])],  # a number for each channel
        [make_node("Sigmoid", ["h"], ["s"]), make_node("Mul", ["h", "s"], ["y"]), make_node("Neg", ["s"], ["z"])],
        [make_node("Sigmoid", ["x"], ["y"])],  # nothing before it makes codes
        [make_node("Sigmoid", ["h"], ["s"]), make_node("Mul", ["s", "x"], ["y"])],  # of two tensors
    ],
)
def test_what_is_no_function_of_single_codes(tools, nodes):
    flat = [make_node("Identity", ["x"], ["i"]), make_node("MaxPool", ["i"], ["h"], kernel_shape=[1, 1])]
    model, values = values_of(tools, [*flat, *nodes], {"each": np.ones((4, 1, 1), np.float32)})
    found = unary_source(values["y"], node_order(model))
    assert found is None
