"""A layer of integers and the table behind it become one operator."""

import numpy as np
import onnx_ir as ir
import pytest

from qcompile.ops import DOMAIN
from qcompile.passes.fuse_integer_tables import FuseIntegerTables
from qcompile.tiles import pack_tiles

GEOMETRY = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}


def initializer(name, array):
    return ir.Value(name=name, const_value=ir.tensor(array, name=name))


def node(op_type, inputs, output, **attributes):
    made = ir.node(op_type, inputs, attributes, domain=DOMAIN, name=op_type)
    made.outputs[0].name, made.outputs[0].dtype = output, ir.DataType.UINT8
    return made


def model(op_type, *, outputs=("y",), readers=("table",)):
    """x, a layer of ``op_type`` that gives codes, then a table for each of ``readers``."""
    shape = (4, 3) if "MatMul" in op_type else (4, 3, 1, 1)
    indices = pack_tiles(np.zeros(shape, np.uint8), 1, 2)
    arrays = [indices, np.zeros(0, np.int8), np.ones(4, np.float32), np.zeros(4, np.float32)]
    weight = [initializer(f"w{i}", array) for i, array in enumerate(arrays)]
    x, residual = (ir.Value(name=name, type=ir.TensorType(ir.DataType.UINT8)) for name in ("x", "residual"))
    extra = [residual] if op_type.endswith("Add") else []
    attributes = {"bits": 2, "weight_shape": shape, "x_zero_point": 0, "y_min": 3, "y_max": 200}
    layer = node(op_type, [x, *weight, *extra], "codes", **attributes, **(GEOMETRY if len(shape) == 4 else {}))
    tables = [initializer(name, np.arange(256, dtype=np.uint8)[::-1].copy()) for name in readers]
    nodes = [layer, *(node("IntegerTable", [layer.outputs[0], table], f"y{i or ''}") for i, table in enumerate(tables))]
    by_name = {made.outputs[0].name: made.outputs[0] for made in nodes}
    graph = ir.Graph(
        [x, *extra], [by_name[name] for name in outputs], nodes=nodes, initializers=[*weight, *tables], name="g"
    )
    return ir.Model(graph, ir_version=9)


@pytest.mark.parametrize("op_type", ["IntegerMatMul", "IntegerConv"])
def test_a_table_that_alone_reads_the_codes_joins_the_layer(op_type):
    made = model(op_type)
    before = dict(made.graph[0].attributes)
    result = FuseIntegerTables()(made)
    [fused] = made.graph
    assert result.modified
    assert (fused.op_type, fused.name) == (f"{op_type}Table", op_type)
    assert [value.name for value in fused.inputs] == ["x", "w0", "w1", "w2", "w3", "table"]
    assert dict(fused.attributes) == before
    assert [value.name for value in made.graph.outputs] == ["y"]
    assert made.graph.outputs[0] is fused.outputs[0]
    assert fused.outputs[0].dtype == ir.DataType.UINT8


@pytest.mark.parametrize(
    "kept",
    [
        model("IntegerMatMulAdd"),
        model("IntegerMatMul", outputs=("y", "codes")),
        model("IntegerConv", outputs=("y", "y1"), readers=("table", "other")),
    ],
    ids=["a residual", "codes that the graph gives away", "two tables"],
)
def test_leaves_alone(kept):
    before = [made.op_type for made in kept.graph]
    assert not FuseIntegerTables()(kept).modified
    assert [made.op_type for made in kept.graph] == before
