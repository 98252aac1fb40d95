"""A mean that is flattened for a classifier leaves its axes of size one out itself: the same codes."""

import numpy as np
import onnx_ir as ir
import pytest

from qcompile.integer_reference import apply_integer
from qcompile.ops import DOMAIN
from qcompile.passes.fuse_flattened_means import FuseFlattenedMeans

MEAN = {"scale": 1.7, "bias": -20.5, "keepdims": 1, "y_min": 3, "y_max": 250}
FLATTENED = {
    "Squeeze": ([1, 2], {}),
    "Reshape": ([-1, 6], {}),
    "Flatten": (None, {"axis": 1}),
}


def value(name, dims):
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.UINT8), shape=ir.Shape(dims))


def model(op_type, *, flat_dims=("batch", 6), also=()):
    """y = flattened mean of x [batch, 5, 7, 6]; ``also`` names what else the graph gives."""
    sizes, attributes = FLATTENED[op_type]
    x = value("x", ["batch", 5, 7, 6])
    mean = ir.node("IntegerGlobalAveragePool", [x], MEAN, domain=DOMAIN, name="mean")
    mean.outputs[0].name, mean.outputs[0].shape = "codes", ir.Shape(["batch", 1, 1, 6])
    stored = [] if sizes is None else [ir.Value(name="sizes", const_value=ir.tensor(np.array(sizes), name="sizes"))]
    flat = ir.node(op_type, [mean.outputs[0], *stored], attributes)
    flat.outputs[0].name, flat.outputs[0].shape = "y", ir.Shape(flat_dims)
    made = {node.outputs[0].name: node.outputs[0] for node in (mean, flat)}
    outputs = [made[name] for name in ("y", *also)]
    graph = ir.Graph([x], outputs, nodes=[mean, flat], initializers=stored, name="g", opset_imports={"": 18, DOMAIN: 1})
    return ir.Model(graph, ir_version=9)


@pytest.mark.parametrize("op_type", sorted(FLATTENED))
def test_the_mean_gives_what_flattening_gave(op_type):
    made = model(op_type)
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 7, 6), np.uint8)
    before = apply_integer("IntegerGlobalAveragePool", [x], MEAN).reshape(4, 6)
    assert FuseFlattenedMeans()(made).modified
    (node,) = made.graph
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    np.testing.assert_array_equal(apply_integer(node.op_type, [x], attributes), before)
    assert made.graph.outputs[0].name == "y"
    assert made.graph.outputs[0].shape.dims == ("batch", 6)


@pytest.mark.parametrize(
    ("op_type", "changes"),
    [
        ("Squeeze", {"also": ("codes",)}),  # somebody else reads the mean
        ("Reshape", {"flat_dims": (12, "half")}),
        ("Reshape", {"flat_dims": ("batch", 2, 3)}),
    ],
)
def test_what_is_more_than_flattening_stays(op_type, changes):
    made = model(op_type, **changes)
    assert not FuseFlattenedMeans()(made).modified
    assert len(list(made.graph)) == 2
