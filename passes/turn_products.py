"""A product whose constant matrix cannot be packed where it stands  ->  one that has it on the right, as it is.

    MatMul(weight, x)              Transpose(MatMul(Transpose(x), weight transposed))
    Gemm(x, weight, transA=1)      Gemm(Transpose(x), weight)
    MatMul(x, Transpose(weight))   MatMul(x, weight transposed)

Only constant floats are turned: what is looked up or quantized already keeps the form that other passes know.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import constant, is_standard
from qcompile.passes._operands import drop_unused, graph_of, initializer, register


class TurnProducts(ir.passes.InPlacePass):
    """Puts the constant float matrix of a MatMul or Gemm on the right.

    Requires: shapes; without them a constant on the left stays there.
    Ensures: sums of the same products.
    Leaves alone: a constant that is no float32 matrix; a Gemm whose constant is on the left; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Turns each node by each rule that it fits."""
        modified = False
        for node in [node for node in model.graph if is_standard(node, "MatMul", "Gemm")]:
            for rule in (_unfold_constant, _turn_x, _swap):
                modified |= rule(node)
        return ir.passes.PassResult(model, modified)


def _unfold_constant(node: ir.Node) -> bool:
    """Transposes what stands behind a Transpose on the right; whether there is one."""
    value = node.inputs[1]
    turn = None if value is None else value.producer()
    if turn is None or not is_standard(turn, "Transpose") or (weight := _matrix(turn.inputs[0])) is None:
        return False
    axes = turn.attributes.get_ints("perm", (1, 0))
    _replace_constant(node, weight.transpose(axes), turn.inputs[0])
    return True


def _turn_x(node: ir.Node) -> bool:
    """Transposes the x of a Gemm that would do so itself; whether it does."""
    if (
        not node.attributes.get_int("transA", 0)
        or _matrix(node.inputs[1]) is None
        or constant(node.inputs[0]) is not None
    ):
        return False
    turn = ir.node("Transpose", [node.inputs[0]], {"perm": (1, 0)})
    graph_of(node).insert_before(node, turn)
    node.replace_input_with(0, turn.outputs[0])
    del node.attributes["transA"]
    return True


def _swap(node: ir.Node) -> bool:
    """Swaps the operands of a MatMul whose left one is constant; whether it is, and the rank of x known."""
    weight, x = _matrix(node.inputs[0]), node.inputs[1]
    if weight is None or node.op_type != "MatMul" or x is None or x.shape is None or constant(x) is not None:
        return False
    axes = tuple(range(len(x.shape)))
    turned = (*axes[:-2], *axes[:-3:-1])  # the last two swapped; one alone stays
    before = ir.node("Transpose", [x], {"perm": turned})
    graph, source, old = graph_of(node), node.inputs[0], node.outputs[0]
    graph.insert_before(node, before)
    after = ir.node("Transpose", [old], {"perm": turned})
    graph.insert_after(node, after)
    _take_output(old, after.outputs[0])
    node.replace_input_with(0, before.outputs[0])
    node.replace_input_with(1, source)
    _replace_constant(node, weight.T, source)
    return True


def _take_output(old: ir.Value, new: ir.Value) -> None:
    """Gives the readers, the name and the description of ``old`` to ``new``, which is computed of it."""
    node = new.producer()
    assert node is not None, "the new value is computed"
    new.shape, new.type = old.shape, old.type
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    node.replace_input_with(0, old)
    new.name, old.name, old.shape = old.name, f"{old.name}.turned", None


def _replace_constant(node: ir.Node, array: npt.NDArray[Any], old: ir.Value | None) -> None:
    """Gives ``node`` ``array`` on the right, under the name of ``old``, which it is made of."""
    graph, new, was, name = graph_of(node), initializer(array), node.inputs[1], str(old.name if old else "weight")
    node.replace_input_with(1, new)
    drop_unused(was)
    register(graph, new, name)


def _matrix(value: ir.Value | None) -> npt.NDArray[np.float32] | None:
    """The constant float32 matrix that ``value`` is, or None."""
    found = constant(value)
    return found if found is not None and found.dtype == np.float32 and found.ndim == 2 else None
