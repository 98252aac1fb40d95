"""What only moves codes has a pair on both sides, and the numbers stay the same to the last bit."""

import numpy as np
import onnx_ir as ir
import pytest

from qcompile.passes.infer_shapes import InferShapes
from qcompile.passes.spread_pairs import SpreadPairs
from tests.quantized_network import QuantizedNetwork, run


def model_of(net):
    model = ir.from_proto(net.proto())
    InferShapes()(model)
    return model


def assert_same_numbers(before, after):
    rng = np.random.default_rng(0)
    shape = [size if isinstance(size, int) else 5 for size in before.graph.inputs[0].shape.dims]
    feeds = {"x": rng.uniform(-3, 3, shape).astype(np.float32)}
    wanted, found = (run(ir.to_proto(model), feeds) for model in (before, after))
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


def rounded_inputs(model, op_type):
    """For each node of that type, what makes its first input and what reads its output."""
    return [
        (node.inputs[0].producer().op_type, {use.node.op_type for use in node.outputs[0].uses()})
        for node in model.graph
        if node.op_type == op_type
    ]


MOVES = {
    "MaxPool": lambda net, x: net.add("MaxPool", [x], kernel_shape=[2, 2], pads=[1, 0, 0, 1]),
    "Flatten": lambda net, x: net.add("Flatten", [x]),
    "Transpose": lambda net, x: net.add("Transpose", [x], perm=[0, 2, 3, 1]),
    "Reshape": lambda net, x: net.add("Reshape", [x, net.sizes(0, 2, -1)]),
    "Concat": lambda net, x: net.add("Concat", [x, x], axis=1),
}


@pytest.mark.parametrize("zero_point", [0, 100])
@pytest.mark.parametrize("name", sorted(MOVES))
def test_a_pair_before_it_gives_one_behind_it(tools, name, zero_point):
    net = QuantizedNetwork((4, 6, 6))
    moved = MOVES[name](net, net.pair("x", 0.02, zero_point))
    before = model_of(net.gives(net.add("Neg", [moved])))
    after = tools.apply(SpreadPairs(), before)
    assert_same_numbers(before, after)
    assert rounded_inputs(after, name) == [("DequantizeLinear", {"QuantizeLinear"})]


@pytest.mark.parametrize("name", sorted(MOVES))
def test_a_pair_behind_it_that_not_all_read_is_not_enough(tools, name):
    """As behind the first pooling of a ResNet: a layer of few bits reads it, and a sum reads it as it is."""
    net = QuantizedNetwork((4, 6, 6))
    moved = MOVES[name](net, net.pair("x", 0.02, 0))
    before = model_of(net.gives(net.add("Add", [net.pair(moved, 0.3, 0), moved])))
    after = tools.apply(SpreadPairs(), before)
    assert_same_numbers(before, after)
    assert rounded_inputs(after, name) == [("DequantizeLinear", {"QuantizeLinear"})]


@pytest.mark.parametrize("clip", [None, (-0.3, 0.7)])
@pytest.mark.parametrize("name", sorted(MOVES))
def test_a_pair_behind_it_gives_one_before_it(tools, name, clip):
    net = QuantizedNetwork((4, 6, 6))
    moved = MOVES[name](net, net.add("Neg", ["x"]))
    before = model_of(net.gives(net.pair(moved, 0.02, 100, clip=clip)))
    after = tools.apply(SpreadPairs(), before)
    assert_same_numbers(before, after)
    assert rounded_inputs(after, name) == [("DequantizeLinear", {"Clip"} if clip else {"QuantizeLinear"})]


def test_a_chain_of_moves_is_rounded_everywhere(tools):
    net = QuantizedNetwork((4, 6, 6))
    pooled = MOVES["Flatten"](net, MOVES["Transpose"](net, MOVES["MaxPool"](net, net.add("Neg", ["x"]))))
    before = model_of(net.gives(net.pair(pooled, 0.02, 100)))
    after = tools.apply(SpreadPairs(), before)
    assert_same_numbers(before, after)
    assert tools.op_types(after).count("QuantizeLinear") == 4


def every_second_pixel(net, x):
    ends, axes, steps = net.sizes(2**62), (net.sizes(2), net.sizes(3)), net.sizes(2)
    for axis in axes:
        x = net.add("Slice", [x, net.sizes(0), ends, axis, steps])
    return x


def test_slices_and_zeros_keep_the_codes(tools):
    net = QuantizedNetwork((4, 6, 6))
    x = net.pair("x", 0.02, 100)
    padded = net.add("Pad", [every_second_pixel(net, x), net.sizes(0, 2, 0, 0, 0, 2, 0, 0)])
    before = model_of(net.gives(net.add("Add", [padded, padded])))
    after = tools.apply(SpreadPairs(), before)
    assert_same_numbers(before, after)
    assert rounded_inputs(after, "Pad") == [("Slice", {"QuantizeLinear"})]


def test_pairs_between_slices_and_zeros_are_taken_away(tools):
    net = QuantizedNetwork((4, 6, 6))
    pair = {"scale": 0.02, "zero_point": 100}
    x, sizes = net.pair("x", **pair), [net.sizes(0), net.sizes(2**62)]
    first = net.pair(net.add("Slice", [x, *sizes, net.sizes(2), net.sizes(2)]), **pair)
    second = net.pair(net.add("Slice", [first, *sizes, net.sizes(3), net.sizes(2)]), **pair)
    padded = net.pair(net.add("Pad", [second, net.sizes(0, 2, 0, 0, 0, 2, 0, 0)]), **pair)
    before = model_of(net.gives(padded))
    after = tools.apply(SpreadPairs(), before)
    assert_same_numbers(before, after)
    assert tools.op_types(after).count("QuantizeLinear") == 2


@pytest.mark.parametrize(
    "name", ["ones around", "several scales", "an input of the graph", "both sides", "nothing reads it"]
)
def test_what_cannot_be_spread_stays(tools, name):
    net = QuantizedNetwork((4, 6, 6))
    x = net.pair("x", 0.02, 100)
    if name == "ones around":
        net.gives(net.add("Neg", [net.add("Pad", [x, net.sizes(0, 2, 0, 0, 0, 2, 0, 0), net.number(1)])]))
    elif name == "several scales":
        net.gives(net.add("Neg", [net.add("Concat", [x, net.pair("x", 0.03)], axis=1)]))
    elif name == "an input of the graph":
        net.gives(net.pair(net.add("Flatten", ["x"]), 0.02))
    elif name == "both sides":
        net.gives(net.pair(net.add("Flatten", [x]), 0.05))
    else:
        net.gives(net.add("Flatten", [x]))
    tools.apply(SpreadPairs(), model_of(net), modified=False)
