"""What passes look for: constants, and weights that come from a lookup in a codebook.

A weight is followed back from the node that reads it to its lookup:

    Gather(codebook [K], indices, axis=0)                  one codebook
    GatherElements(codebook [groups, K], indices, axis=1)  one for each group of output channels

through what may change it on the way: Reshape, Transpose, Mul by a constant, ScatterND.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

FLOAT_TYPES = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


class LeftAloneError(Exception):
    """A node stays as it is; the message says why, without the node's name."""


def constant(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The constant ``value`` is, or None. An initializer that is also a graph input can be overridden: no constant."""
    if value is None or value.is_graph_input():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def is_constant(value: ir.Value, array: npt.NDArray[np.generic]) -> bool:
    """Whether ``value`` is the constant ``array``, in shape and in every element."""
    found = constant(value)
    return found is not None and np.array_equal(found, array)


def is_standard(node: ir.Node | None, *op_types: str) -> bool:
    """Whether ``node`` is one of the standard operators ``op_types``."""
    return node is not None and node.domain == "" and node.op_type in op_types


def sole_reader(value: ir.Value) -> ir.Node | None:
    """The one node that reads ``value``, once; None where there are more or the graph gives it away."""
    uses = value.uses()
    return next(iter(uses)).node if len(uses) == 1 and not value.is_graph_output() else None


def find_source(value: ir.Value | None) -> ir.Node | None:
    """The lookup that ``value`` comes from, possibly changed on the way, or None where it is no codebook weight.

    A Gather of rows, as an embedding is, is no codebook lookup.
    """
    node = None if value is None else value.producer()
    while node is not None and not is_lookup(node):
        changed = changed_input(node)
        node = None if changed is None else changed.producer()
    return node


def changed_input(node: ir.Node) -> ir.Value | None:
    """The weight that ``node`` reshapes, transposes, multiplies by a constant or corrects; None where it does not."""
    if is_standard(node, "Reshape", "Transpose", "ScatterND"):
        return node.inputs[0]
    if is_standard(node, "Mul"):
        others = [value for value in node.inputs if value is not None and not _is_stored(value)]
        return others[0] if len(others) == 1 else None
    return None


def is_lookup(node: ir.Node) -> bool:
    """Whether ``node`` looks float entries up in a table as a codebook weight does; the indices may be computed."""
    axis, rank = {"Gather": (0, 1), "GatherElements": (1, 2)}.get(node.op_type, (0, 0))
    if node.domain != "" or not rank or node.inputs[0] is None:
        return False
    tensor = ir.convenience.get_const_tensor(node.inputs[0])
    if tensor is None or tensor.dtype not in FLOAT_TYPES or len(tensor.shape) != rank:
        return False
    return node.attributes.get_int("axis", 0) in (axis, axis - rank)


def _is_stored(value: ir.Value) -> bool:
    return ir.convenience.get_const_tensor(value) is not None
