"""LayerNormalization and Softmax whose results are quantized become operators that give codes."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from qcompile.integer_reference import apply_integer
from qcompile.ops import DOMAIN
from qcompile.passes.fuse_integers import FuseIntegers

STEP, ORIGIN = 0.03, 120
COLUMNS = 24


def model(body, *, opset=20, step=STEP, **initializers):
    """x [3, 5, COLUMNS], what ``body`` makes of it as n, then n quantized and dequantized."""
    steps = f"step = Constant <value_float = {step}> () codes = QuantizeLinear (n, step, origin) "
    text = f"g (float[3, 5, {COLUMNS}] x) => (float[3, 5, {COLUMNS}] y) {{ {body} {steps} "
    text += "y = DequantizeLinear (codes, step, origin) }"
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> {text}')
    stored = initializers | {"origin": np.array(ORIGIN, np.uint8)}
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in stored.items())
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))


def stretch():
    rng = np.random.default_rng(0)
    return {
        "scale": rng.uniform(-2, 2, COLUMNS).astype(np.float32),
        "bias": rng.normal(0, 1, COLUMNS).astype(np.float32),
    }


def own_node(made):
    [found] = [node for node in made.graph if node.domain == DOMAIN]
    return found


def run(node, x):
    operands = [x, *(value.const_value.numpy() for value in node.inputs[1:])]
    return apply_integer(node.op_type, operands, {name: a.value for name, a in node.attributes.items()})


def numbers(x):
    centered = x - x.mean(axis=-1, keepdims=True)
    return centered / np.sqrt(np.square(centered).mean(axis=-1, keepdims=True) + 1e-3)


def x():
    return np.random.default_rng(1).normal(3, 5, (3, 5, COLUMNS)).astype(np.float32)


@pytest.mark.parametrize("axis", [-1, 2])
def test_a_normalization_gives_the_codes_that_were_quantized(axis):
    made = model(f"n = LayerNormalization <axis = {axis}, epsilon = 0.001> (x, scale, bias)", **stretch())
    assert FuseIntegers()(made).modified
    node = own_node(made)
    assert node.op_type == "QuantizeLayerNormalization"
    assert "LayerNormalization" not in [node.op_type for node in made.graph]
    values = (numbers(x().astype(np.float64)) * stretch()["scale"] + stretch()["bias"]) / STEP + ORIGIN
    assert np.abs(run(node, x()) - np.clip(values, 0, 255)).max() <= 0.501  # half a code, and roundings in float32


def test_it_needs_no_bias():
    made = model("n = LayerNormalization <epsilon = 0.001> (x, scale)", scale=stretch()["scale"])
    assert FuseIntegers()(made).modified
    values = numbers(x().astype(np.float64)) * stretch()["scale"] / STEP + ORIGIN
    assert np.abs(run(own_node(made), x()) - np.clip(values, 0, 255)).max() <= 0.501


def test_cuts_behind_it_are_its_own():
    body = "m = LayerNormalization (x, scale, bias) r = Relu (m) n = Clip (r, , top)"
    made = model(body, **stretch(), top=np.array(1.5, np.float32))
    assert FuseIntegers()(made).modified
    node = own_node(made)
    assert (node.attributes["y_min"].value, node.attributes["y_max"].value) == (ORIGIN, ORIGIN + 50)


def test_a_softmax_gives_the_codes_that_were_quantized():
    made = model("n = Softmax (x)")
    assert FuseIntegers()(made).modified
    node = own_node(made)
    assert node.op_type == "QuantizeSoftmax"
    powers = np.exp(x().astype(np.float64) - x().max(axis=-1, keepdims=True))
    values = powers / powers.sum(axis=-1, keepdims=True) / STEP + ORIGIN
    assert np.abs(run(node, x()) - values).max() <= 0.5 + 2.3e-4 / STEP  # powers are right to 1.1e-4


@pytest.mark.parametrize(
    "body",
    [
        "n = Softmax <axis = 1> (x)",
        "n = LayerNormalization <axis = 1> (x, wide, wide)",
        "n = LayerNormalization <epsilon = 0.0> (x, scale, bias)",
        "n = LayerNormalization (x, one, bias)",
        "computed = Identity (bias) n = LayerNormalization (x, scale, computed)",
        "n, mean = LayerNormalization (x, scale, bias) other = Neg (mean)",
        "m = Softmax (x) n = Neg (m)",
    ],
)
def test_leaves_alone(body):
    wide = np.ones((5, COLUMNS), np.float32)
    made = model(body, **stretch(), wide=wide, one=np.ones(1, np.float32))
    FuseIntegers()(made)
    assert not [node for node in made.graph if node.domain == DOMAIN]


@pytest.mark.parametrize("body", ["n = Softmax (x)", "n = LayerNormalization (x, scale, bias)"])
def test_leaves_alone_what_no_float_can_scale_to_codes(body):
    made = model(body, step="1e-41", **stretch())
    FuseIntegers()(made)
    assert not [node for node in made.graph if node.domain == DOMAIN]


def test_what_somebody_else_reads_in_floats_stays_float():
    made = model("n = Softmax (x) more = Neg (n)")
    assert not FuseIntegers()(made).modified
    assert [node.op_type for node in made.graph].count("Softmax") == 1
