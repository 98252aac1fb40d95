"""Dequantized codes that are added to a product in floats join the product."""

import numpy as np
import onnx_ir as ir
import pytest

from qcompile.integer_reference import apply_integer
from qcompile.ops import DOMAIN
from qcompile.passes.fuse_float_residuals import FuseFloatResiduals
from qcompile.tiles import pack_tiles

OUTPUTS, COLUMNS, STEP, ORIGIN = 6, 20, 0.125, 37
SHAPE = ir.Shape([3, OUTPUTS])


def initializer(name, array):
    return ir.Value(name=name, const_value=ir.tensor(np.asarray(array), name=name))


def value(name, dtype, shape):
    return ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(shape))


def named(node, name, shape=SHAPE):
    node.outputs[0].name, node.outputs[0].shape, node.outputs[0].dtype = name, shape, ir.DataType.FLOAT
    return node


def model(*, op_type="IntegerMatMulFloat", product_first=True, steps=STEP, also=(), shape=SHAPE):
    """y = product of x + dequantized residual; ``also`` names what else the graph gives."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 16, (OUTPUTS, COLUMNS)).astype(np.uint8)
    weight = {
        "indices": pack_tiles(codes, 1, 4),
        "codebook": np.zeros(0, np.int8),
        "scale": rng.uniform(0.5, 2, OUTPUTS).astype(np.float32),
        "bias": rng.normal(0, 9, OUTPUTS).astype(np.float32),
    }
    x, residual = value("x", ir.DataType.UINT8, [3, COLUMNS]), value("residual", ir.DataType.UINT8, shape.dims)
    stored = [initializer(name, array) for name, array in weight.items()]
    step = initializer("step", np.asarray(steps, np.float32))
    origin = initializer("origin", np.full(step.const_value.shape, ORIGIN, np.uint8))
    attributes = {"bits": 4, "weight_shape": (OUTPUTS, COLUMNS), "x_zero_point": 8}
    product = named(ir.node(op_type, [x, *stored], attributes, domain=DOMAIN, name="fc"), "product")
    numbers = named(ir.node("DequantizeLinear", [residual, step, origin]), "numbers", shape)
    both = [product.outputs[0], numbers.outputs[0]]
    total = named(ir.node("Add", both if product_first else both[::-1]), "y")
    made = {node.outputs[0].name: node.outputs[0] for node in (product, numbers, total)}
    graph = ir.Graph(
        [x, residual],
        [made[name] for name in ("y", *also)],
        nodes=[product, numbers, total],
        initializers=[*stored, step, origin],
        name="g",
        opset_imports={"": 18, DOMAIN: 1},
    )
    return ir.Model(graph, ir_version=9), [weight[name] for name in weight], attributes


@pytest.mark.parametrize("product_first", [True, False])
def test_the_sum_is_that_of_both(product_first):
    made, weight, attributes = model(product_first=product_first)
    assert FuseFloatResiduals()(made).modified
    [fused] = [node for node in made.graph if node.domain == DOMAIN]
    assert fused.op_type == "IntegerMatMulAddFloat"
    assert "Add" not in [node.op_type for node in made.graph]
    assert made.graph.outputs[0] is fused.outputs[0]
    assert made.graph.outputs[0].name == "y"
    rng = np.random.default_rng(4)
    x, residual = (
        rng.integers(0, 256, (3, COLUMNS)).astype(np.uint8),
        rng.integers(0, 256, (3, OUTPUTS)).astype(np.uint8),
    )
    wanted = apply_integer("IntegerMatMulFloat", [x, *weight], attributes) + (residual.astype(float) - ORIGIN) * STEP
    operands = [x, *(found.const_value.numpy() for found in fused.inputs[1:5]), residual]
    found = apply_integer(fused.op_type, operands, {name: a.value for name, a in fused.attributes.items()})
    # Four roundings of numbers below 2^17: a sum of 20 products of 255 * 8, times 2, and what is added.
    assert np.abs(found - wanted).max() <= 4 * 2**17 * 2**-24


@pytest.mark.parametrize(
    "kept",
    [
        {"op_type": "IntegerMatMul"},
        {"also": ["product"]},
        {"steps": [STEP] * OUTPUTS},
        {"shape": ir.Shape([1, OUTPUTS])},
    ],
    ids=["codes", "a product that the graph gives away", "a step for each channel", "a row for all"],
)
def test_leaves_alone(kept):
    made, *_ = model(**kept)
    before = [node.op_type for node in made.graph]
    assert not FuseFloatResiduals()(made).modified
    assert [node.op_type for node in made.graph] == before


def test_what_else_reads_the_residual_keeps_it():
    made, *_ = model(also=["numbers"])
    assert FuseFloatResiduals()(made).modified
    assert [node.op_type for node in made.graph] == ["DequantizeLinear", "IntegerMatMulAddFloat"]
