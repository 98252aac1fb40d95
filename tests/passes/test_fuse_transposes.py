"""Transposes around products of activations join them: the same numbers, in the same places."""

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common
import pytest

from qcompile.integer_reference import apply_integer
from qcompile.ops import DOMAIN
from qcompile.passes.fuse_transposes import FuseTransposes

NAMES = ("a_perm", "b_perm", "y_perm")
PLAIN = (0, 1, 2)


def transpose(value, perm, name):
    made = ir.node("Transpose", [value], {} if perm is None else {"perm": perm})
    made.outputs[0].name, made.outputs[0].dtype = name, ir.DataType.UINT8
    made.outputs[0].shape = ir.Shape([value.shape.dims[axis] for axis in perm or (2, 1, 0)])
    return made


def model(a_perms=(), b_perms=(), y_perms=(), *, also=(), op_type="IntegerProduct"):
    """y, a product of two inputs of three axes, with Transposes of these orders before and behind it."""
    inputs = [
        ir.Value(name=name, type=ir.TensorType(ir.DataType.UINT8), shape=ir.Shape([3, 3, 3])) for name in ("a", "b")
    ]
    nodes, values = [], []
    for value, perms in zip(inputs, (a_perms, b_perms), strict=True):
        for count, perm in enumerate(perms):
            nodes.append(transpose(value, perm, f"{value.name}{count}"))
            value = nodes[-1].outputs[0]
        values.append(value)
    attributes = {"a_zero_point": 3, "b_zero_point": 100, **dict.fromkeys(NAMES, PLAIN), "scale": 0.01}
    attributes |= {} if op_type.endswith("Float") else {"bias": 9.0, "y_min": 0, "y_max": 255}
    nodes.append(ir.node(op_type, values, attributes, domain=DOMAIN, name="product"))
    nodes[-1].outputs[0].name, nodes[-1].outputs[0].shape = "y", ir.Shape([3, 3, 3])
    for count, perm in enumerate(y_perms):
        nodes.append(transpose(nodes[-1].outputs[0], perm, f"y{count}"))
    made = {node.outputs[0].name: node.outputs[0] for node in nodes}
    outputs = [nodes[-1].outputs[0], *(made[name] for name in also)]
    return ir.Model(ir.Graph(inputs, outputs, nodes=nodes, name="g", opset_imports={"": 18}), ir_version=9)


def run(made, feeds):
    """The first output, by the reference."""
    values = dict(feeds)
    for node in made.graph:
        operands = [values[value.name] for value in node.inputs]
        attributes = {name: attribute.value for name, attribute in node.attributes.items()}
        result = (
            operands[0].transpose(attributes.get("perm"))
            if node.op_type == "Transpose"
            else apply_integer(node.op_type, operands, attributes)
        )
        values[node.outputs[0].name] = result
    return values[made.graph.outputs[0].name]


def orders(made):
    [product] = [node for node in made.graph if node.name == "product"]
    return tuple(tuple(product.attributes[name].as_ints()) for name in NAMES)


HEADS = (1, 0, 2)
CASES = [  # Transposes of a, of b, of the product; the orders that become of them; how many Transposes do something
    ([HEADS], [], [], (HEADS, PLAIN, PLAIN), 0),
    ([], [(0, 2, 1)], [], (PLAIN, (0, 2, 1), PLAIN), 0),
    ([HEADS], [(1, 2, 0), (0, 2, 1)], [HEADS], (HEADS, (1, 0, 2), HEADS), 0),
    ([HEADS, HEADS], [HEADS, (0, 2, 1)], [], (PLAIN, (1, 2, 0), PLAIN), 0),
    ([(0, 2, 1)], [], [], (PLAIN, PLAIN, PLAIN), 1),  # the sum would go through rows
    ([], [None], [], (PLAIN, PLAIN, PLAIN), 1),  # all axes turned
    ([], [], [(2, 0, 1)], (PLAIN, PLAIN, PLAIN), 1),
    ([], [], [HEADS, (0, 2, 1)], (PLAIN, PLAIN, HEADS), 1),
]


@pytest.mark.parametrize("op_type", ["IntegerProduct", "IntegerProductFloat"])
@pytest.mark.parametrize(("a_perms", "b_perms", "y_perms", "wanted", "left"), CASES)
def test_gives_the_same_numbers(op_type, a_perms, b_perms, y_perms, wanted, left):
    made = model(a_perms, b_perms, y_perms, op_type=op_type)
    rng = np.random.default_rng(0)
    feeds = {name: rng.integers(0, 256, (3, 3, 3)).astype(np.uint8) for name in "ab"}
    before, name = run(made, feeds), made.graph.outputs[0].name
    shape = made.graph.outputs[0].shape
    modified = FuseTransposes()(made).modified
    assert modified == (wanted != (PLAIN,) * 3 or len(a_perms) > 1)
    assert orders(made) == wanted
    np.testing.assert_array_equal(run(made, feeds), before)
    assert (made.graph.outputs[0].name, made.graph.outputs[0].shape) == (name, shape)
    onnx_ir.passes.common.RemoveUnusedNodesPass()(made)
    assert len(list(made.graph)) == left + 1


def test_a_product_that_somebody_else_reads_keeps_its_order():
    made = model((), (), [HEADS], also=["y"])
    assert not FuseTransposes()(made).modified
    assert orders(made) == (PLAIN,) * 3


def test_a_transpose_that_somebody_else_reads_stays_for_him():
    made = model([HEADS], (), (), also=["a0"])
    assert FuseTransposes()(made).modified
    assert orders(made)[0] == HEADS
    assert [node.op_type for node in made.graph] == ["Transpose", "IntegerProduct"]
