"""Pairs of any small type become pairs of uint8 codes with the same numbers."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper

from qcompile.passes.adopt_quantized_pairs import AdoptQuantizedPairs
from qcompile.passes.infer_shapes import InferShapes
from tests.quantized_network import QuantizedNetwork, run

# By what stands in the model: the zero point and the largest code that are wanted, and whether a Clip is.
KINDS = {
    "uint8": ({}, 0, False),
    "uint8 about 100": ({"zero_point": 100}, 100, False),
    "int8": ({"kind": "int8"}, 128, False),
    "int8 from its lowest": ({"kind": "int8", "zero_point": -128}, 0, False),
    "uint4": ({"kind": "uint4"}, 0, True),
    "uint4 about 5": ({"kind": "uint4", "zero_point": 5}, 5, True),
    "int4": ({"kind": "int4"}, 8, True),
    "int8 cut to 3 bits": ({"kind": "int8", "cut": (-4, 3)}, 4, True),
    "int8 cut to 3 narrow bits": ({"kind": "int8", "cut": (-3, 3)}, 3, True),
    "uint8 cut to 2 bits": ({"kind": "uint8", "cut": (0, 3)}, 0, True),
    "uint8 cut above its zero point": ({"kind": "uint8", "cut": (3, 9), "zero_point": 1}, 0, True),
    "uint8 cut below its zero point": ({"kind": "uint8", "cut": (3, 9), "zero_point": 20}, 17, True),
    "int8 behind a Clip": ({"kind": "int8", "clip": (-0.4, 0.3)}, 128, True),
}


def pairs_of(*options):
    net = QuantizedNetwork((3, 5))
    return net.gives(*(net.pair("x", 0.1, **given) for given in options))


def model_of(net):
    model = ir.from_proto(net.proto())
    InferShapes()(model)
    return model


def numbers(rows=400):
    """Numbers between codes of step 0.1, on them, in the middle between two, and beyond all."""
    rng = np.random.default_rng(0)
    found = rng.uniform(-30, 30, (rows, 3, 5)).astype(np.float32)
    found[: rows // 2] = rng.integers(-600, 600, (rows // 2, 3, 5)).astype(np.float32) * np.float32(0.05)
    return {"x": found}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_numbers_are_the_same_to_the_last_bit(tools, name):
    options, zero_point, clips = KINDS[name]
    before = model_of(pairs_of(options))
    as_wanted = options.get("kind", "uint8") == "uint8" and "cut" not in options
    after = tools.apply(AdoptQuantizedPairs(), before, modified=not as_wanted)
    wanted, found = (run(ir.to_proto(model), numbers()) for model in (before, after))
    assert list(wanted) == list(found)
    for output in wanted:
        np.testing.assert_array_equal(found[output], wanted[output])
    [quantize] = [node for node in after.graph if node.op_type == "QuantizeLinear"]
    assert quantize.inputs[2].const_value.numpy() == zero_point
    assert quantize.outputs[0].dtype == ir.DataType.UINT8
    assert ("Clip" in tools.op_types(after)) == clips


def test_one_tensor_rounded_twice_alike_is_rounded_once(tools):
    before = model_of(pairs_of({"kind": "int8"}, {"kind": "int8"}, {"kind": "int8", "cut": (-8, 7)}, {"kind": "int4"}))
    after = tools.apply(AdoptQuantizedPairs(), before)
    assert tools.op_types(after).count("QuantizeLinear") == 2
    assert tools.op_types(after).count("DequantizeLinear") == 4


def test_codes_that_are_read_with_and_without_a_cut(tools):
    net = QuantizedNetwork((4,))
    scale, zero = net.number(0.1), net.codes_of("zero", "int8", 0)
    codes = net.add("QuantizeLinear", ["x", scale, zero])
    few = net.add("Clip", [codes, net.codes_of("low", "int8", -2), ""])
    outputs = [net.add("DequantizeLinear", [value, scale, zero]) for value in (codes, few)]
    before = model_of(net.gives(*outputs))
    after = tools.apply(AdoptQuantizedPairs(), before)
    feeds = {"x": np.linspace(-20, 20, 400, dtype=np.float32).reshape(-1, 4)}
    wanted, found = (run(ir.to_proto(model), feeds) for model in (before, after))
    for name in outputs:
        np.testing.assert_array_equal(found[name], wanted[name])
    assert {v.const_value.numpy().dtype.name for v in after.graph.initializers.values()} == {"float32", "uint8"}


def left_alone(tools, net):
    tools.apply(AdoptQuantizedPairs(), model_of(net), modified=False)


def test_pairs_that_integers_cannot_hold_stay(tools):
    net = QuantizedNetwork((4,))
    scale, other = net.number(0.1), net.number(0.2)
    zero, wide = net.codes_of("zero", "int8", 0), net.constant("wide", np.array(0, np.int16))
    scales, zeros = net.random("scales", 4, low=0.1), net.codes_of("zeros", "int8", [0] * 4)
    for first, second in (
        ([scale, zero], [other, zero]),
        ([scale, wide], [scale, wide]),
        ([scales, zeros], [scales, zeros]),
    ):
        codes = net.add("QuantizeLinear", ["x", *first], axis=1)
        net.gives(net.add("DequantizeLinear", [codes, *second], axis=1))
    left_alone(tools, net)


def test_codes_without_a_zero_point_have_the_type_that_is_said(tools):
    net = QuantizedNetwork((4,))
    scale = net.number(0.1)
    codes = net.add("QuantizeLinear", ["x", scale], output_dtype=3)  # int8
    net.gives(net.add("DequantizeLinear", [codes, scale]))
    after = tools.apply(AdoptQuantizedPairs(), model_of(net))
    [quantize] = [node for node in after.graph if node.op_type == "QuantizeLinear"]
    assert quantize.inputs[2].const_value.numpy() == 128


def test_codes_that_something_else_reads_stay_there(tools):
    net = QuantizedNetwork((4,))
    scale, zero = net.number(0.1), net.codes_of("zero", "int8", 0)
    codes = net.add("QuantizeLinear", ["x", scale, zero])
    net.gives(
        net.add("DequantizeLinear", [codes, scale, zero]), net.add("Cast", [codes], to=helper.onnx.TensorProto.FLOAT)
    )
    after = tools.apply(AdoptQuantizedPairs(), model_of(net))
    assert tools.op_types(after).count("QuantizeLinear") == 2
