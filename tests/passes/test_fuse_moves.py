"""Transposes around products of activations join them: the same numbers, in the same places."""

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common
import pytest

from qcompile.integer_reference import apply_integer
from qcompile.ops import DOMAIN
from qcompile.passes.fuse_moves import FuseMoves

NAMES = ("a_perm", "b_perm", "y_perm")
SHAPES = ("a_shape", "b_shape", "y_shape")
PLAIN, AS_IT_IS = (0, 1, 2), (0, 0, 0)


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
    attributes |= dict.fromkeys(SHAPES, AS_IT_IS)
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
    modified = FuseMoves()(made).modified
    assert modified == (wanted != (PLAIN,) * 3 or len(a_perms) > 1)
    assert orders(made) == wanted
    np.testing.assert_array_equal(run(made, feeds), before)
    assert (made.graph.outputs[0].name, made.graph.outputs[0].shape) == (name, shape)
    onnx_ir.passes.common.RemoveUnusedNodesPass()(made)
    assert len(list(made.graph)) == left + 1


def test_a_product_that_somebody_else_reads_keeps_its_order():
    made = model((), (), [HEADS], also=["y"])
    assert not FuseMoves()(made).modified
    assert orders(made) == (PLAIN,) * 3


def test_a_transpose_that_somebody_else_reads_stays_for_him():
    made = model([HEADS], (), (), also=["a0"])
    assert FuseMoves()(made).modified
    assert orders(made)[0] == HEADS
    assert [node.op_type for node in made.graph] == ["Transpose", "IntegerProduct"]


def reshape(value, sizes, name, shape, **attributes):
    target = ir.Value(name=f"{name}.sizes", const_value=ir.tensor(np.array(sizes), name=f"{name}.sizes"))
    made = ir.node("Reshape", [value, target], attributes)
    made.outputs[0].name, made.outputs[0].dtype, made.outputs[0].shape = name, ir.DataType.UINT8, ir.Shape(shape)
    return made


def reshaped_model(*, also=(), **attributes):
    """A product of reshaped a and b, its axes in another order, then reshaped."""
    made = model((), (), [HEADS])
    graph, (product, turned) = made.graph, list(made.graph)
    for index, value in enumerate(graph.inputs):
        value.shape = ir.Shape([3, 9])
        whole = reshape(value, [0, 3, -1], f"{value.name}.whole", [3, 3, 3], **attributes)
        graph.insert_before(product, whole)
        product.replace_input_with(index, whole.outputs[0])
    end = reshape(turned.outputs[0], [3, 9], "end", [3, 9])
    graph.append(end)
    graph.outputs[0] = end.outputs[0]
    named = {node.outputs[0].name: node.outputs[0] for node in graph}
    graph.outputs.extend(named[name] for name in also)
    return made


def run_flat(made, feeds):
    """The first output of a graph of Reshapes, a Transpose and the product."""
    values = dict(feeds)
    for node in made.graph:
        attributes = {name: attribute.value for name, attribute in node.attributes.items()}
        operands = [values.get(value.name, value.const_value) for value in node.inputs]
        if node.op_type == "Reshape":
            sizes = operands[1].numpy()
            result = operands[0].reshape([operands[0].shape[i] if size == 0 else size for i, size in enumerate(sizes)])
        elif node.op_type == "Transpose":
            result = operands[0].transpose(attributes["perm"])
        else:
            result = apply_integer(node.op_type, operands, attributes)
        values[node.outputs[0].name] = result
    return values[made.graph.outputs[0].name]


def test_reshapes_join_the_product():
    made = reshaped_model()
    rng = np.random.default_rng(0)
    feeds = {name: rng.integers(0, 256, (3, 9)).astype(np.uint8) for name in "ab"}
    before = run_flat(made, feeds)
    assert FuseMoves()(made).modified
    np.testing.assert_array_equal(run_flat(made, feeds), before)
    onnx_ir.passes.common.RemoveUnusedNodesPass()(made)
    [product] = made.graph
    assert [tuple(product.attributes[name].as_ints()) for name in SHAPES] == [(0, 3, -1), (0, 3, -1), (3, 9)]
    assert (product.outputs[0].name, product.outputs[0].shape.dims) == ("end", (3, 9))


def test_a_second_reshape_stays():
    made = reshaped_model()
    product = next(node for node in made.graph if node.name == "product")
    first = product.inputs[0].producer()
    before = reshape(made.graph.inputs[0], [9, 3], "a.other", [9, 3])
    made.graph.insert_before(first, before)
    first.replace_input_with(0, before.outputs[0])
    first.inputs[1].const_value = ir.tensor(np.array([3, 3, 3]))
    rng = np.random.default_rng(0)
    feeds = {name: rng.integers(0, 256, (3, 9)).astype(np.uint8) for name in "ab"}
    wanted = run_flat(made, feeds)
    assert FuseMoves()(made).modified
    assert product.inputs[0] is before.outputs[0]
    np.testing.assert_array_equal(run_flat(made, feeds), wanted)


@pytest.mark.parametrize(
    ("changes", "left"),
    [({"allowzero": 1}, ["Reshape", "Reshape", "IntegerProduct"]), ({"also": ["y0"]}, ["IntegerProduct", "Reshape"])],
)
def test_reshapes_that_cannot_join_stay(changes, left):
    made = reshaped_model(**changes)
    FuseMoves()(made)
    onnx_ir.passes.common.RemoveUnusedNodesPass()(made)
    assert [node.op_type for node in made.graph] == left
