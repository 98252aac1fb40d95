"""How passes give an operator of ours its operands: initializers, their names, the shared absent operand."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.gather_ops import CODEBOOK_GATHER
from qcompile.integer_ops import INTEGER_CONV_FLOAT
from qcompile.ops import DOMAIN, OPERANDS
from qcompile.sparse_ops import CORRECTED, SPARSE_OF, SPARSE_OPERANDS

INDICES, CODEBOOK, SCALE, BIAS = range(1, len(OPERANDS))
BASE, GAPS, VALUES = range(1, len(SPARSE_OPERANDS))


def own_nodes(model: ir.Model) -> list[ir.Node]:
    """The operators of ours in the model's graph, in order."""
    return [node for node in model.graph if node.domain == DOMAIN]


def fused_nodes(model: ir.Model) -> list[ir.Node]:
    """The operators that multiply by a packed weight with a float codebook in the model's graph, in order."""
    return [node for node in own_nodes(model) if node.op_type in SPARSE_OF]


def coded_nodes(model: ir.Model) -> list[ir.Node]:
    """The operators with a packed weight and a float codebook, whatever they do with it, in order."""
    return [node for node in own_nodes(model) if node.op_type in {*SPARSE_OF, CODEBOOK_GATHER, DECODE_WEIGHT}]


def sparse_node(fused: ir.Node) -> ir.Node | None:
    """What adds corrections to the output of ``fused``: then its only reader.

    Those of an integer convolution, channels last, are added behind a Transpose.
    """
    output, reader = fused.outputs[0], _only_reader(fused.outputs[0])
    if reader is not None and reader.op_type == "Transpose" and fused.op_type == INTEGER_CONV_FLOAT:
        output, reader = reader.outputs[0], _only_reader(reader.outputs[0])
    if reader is None or reader.domain != DOMAIN or reader.op_type != CORRECTED.get(fused.op_type):
        return None
    return reader if reader.inputs[BASE] is output else None


def _only_reader(value: ir.Value) -> ir.Node | None:
    readers = [use.node for use in value.uses()]
    return readers[0] if len(readers) == 1 and not value.is_graph_output() else None


def operand(node: ir.Node, position: int) -> npt.NDArray[Any]:
    """The constant operand of ``node`` at ``position``; an absent one has no elements."""
    value = node.inputs[position]
    tensor = None if value is None else value.const_value
    assert tensor is not None, f"{node.name}: operand {position} is no initializer"
    return tensor.numpy()


def set_operand(node: ir.Node, position: int, array: npt.NDArray[Any], name: str) -> None:
    """Gives ``node`` the operand ``array`` in place of the one it has, under ``name`` or, where taken, one like it."""
    graph, old, new = graph_of(node), node.inputs[position], initializer(array)
    node.replace_input_with(position, new)
    drop_unused(old)
    register(graph, new, name)


def initializer(array: npt.NDArray[Any]) -> ir.Value:
    """A constant that is in no graph yet and has no name."""
    tensor = ir.tensor(np.asarray(array, order="C"))  # ascontiguousarray would give a single number an axis
    return ir.Value(shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)


def widened(array: npt.NDArray[np.uint8]) -> ir.Value:
    """A constant of int32, in no graph yet, that is held as the bytes ``array``: a quarter of the memory."""
    held = np.ascontiguousarray(array)
    shape = ir.Shape(held.shape)
    tensor = ir.LazyTensor(lambda: ir.tensor(held.astype(np.int32)), ir.DataType.INT32, shape)
    return ir.Value(shape=shape, type=ir.TensorType(tensor.dtype), const_value=tensor)


def absent(graph: ir.Graph) -> ir.Value:
    """The float tensor of no elements that all absent operands of ``graph`` share."""
    for value in graph.initializers.values():
        tensor = None if value.is_graph_input() else value.const_value
        if tensor is not None and tensor.dtype == ir.DataType.FLOAT and tensor.shape.dims == (0,):
            return value
    value = initializer(np.zeros(0, np.float32))
    register(graph, value, "absent")
    return value


def register(graph: ir.Graph, value: ir.Value, name: str) -> None:
    """Makes ``value`` an initializer of ``graph`` under ``name`` or, where taken, the next free ``name_1``..."""
    value.name = free_name(name, set(ir.convenience.create_value_mapping(graph)))
    graph.register_initializer(value)


def free_name(wanted: str, taken: set[str]) -> str:
    """``wanted``, or the first of ``wanted_1``, ``wanted_2``... that is not ``taken``."""
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def drop_unused(value: ir.Value | None) -> None:
    """Removes ``value`` and what only it needed: nodes without another reader, initializers without any."""
    candidates = [value]
    while candidates:
        unused = candidates.pop()
        if unused is None or unused.uses() or unused.is_graph_output() or unused.is_graph_input():
            continue
        node = unused.producer()
        if node is None:
            _drop_initializer(unused)
        elif not any(output.uses() or output.is_graph_output() for output in node.outputs):
            candidates += node.inputs
            graph_of(node).remove(node, safe=True)


def _drop_initializer(value: ir.Value) -> None:
    if value.is_initializer() and value.graph is not None and value.name is not None:
        del value.graph.initializers[value.name]


def graph_of(node: ir.Node) -> ir.Graph:
    """The graph that ``node`` is in."""
    assert isinstance(node.graph, ir.Graph), f"{node.name} is in no graph"
    return node.graph
