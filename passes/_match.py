"""What passes look for: constants, and weights that are lookups in a codebook.

A weight is followed back from the node that reads it to its lookup:

    Gather(codebook [K], indices, axis=0)                  one codebook
    GatherElements(codebook [groups, K], indices, axis=1)  one for each group of output channels

through any Reshape and Transpose on the way; indices may pass a Cast.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.ops import Floats

MAX_ENTRIES = 256
FLOAT_TYPES = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)

Integers = npt.NDArray[np.integer]


class LeftAloneError(Exception):
    """A node stays as it is; the message says why, without the node's name."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """A weight as the entries it takes.

    ``codebook`` is float32 [groups, K]. ``entries`` is int32, shaped like the weight, and counts through all
    groups: entry g * K + i is codebook[g, i]. So it can be reshaped and transposed as the weight is.
    """

    codebook: Floats
    entries: Integers


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


def find_source(value: ir.Value | None) -> ir.Node | None:
    """The lookup that ``value`` comes from, possibly reshaped and transposed, or None where it is no codebook weight.

    A Gather of rows, as an embedding is, is no codebook lookup.
    """
    node = None if value is None else value.producer()
    while node is not None and is_standard(node, "Reshape", "Transpose"):
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    return node if node is not None and is_lookup(node) else None


def is_lookup(node: ir.Node) -> bool:
    """Whether ``node`` looks float entries up in a table as a codebook weight does; the indices may be computed."""
    axis, rank = {"Gather": (0, 1), "GatherElements": (1, 2)}.get(node.op_type, (0, 0))
    if node.domain != "" or not rank or node.inputs[0] is None:
        return False
    tensor = ir.convenience.get_const_tensor(node.inputs[0])
    if tensor is None or tensor.dtype not in FLOAT_TYPES or len(tensor.shape) != rank:
        return False
    return node.attributes.get_int("axis", 0) in (axis, axis - rank)


def read_weight(value: ir.Value) -> Lookup:
    """Follows ``value`` back to its lookup, which ``find_source`` has found.

    Raises LeftAloneError where codebook or indices are not constant; ModelError where they do not fit together.
    """
    moves = []
    node = value.producer()
    while node is not None and not is_lookup(node):
        moves.append(node)
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    assert node is not None, f"{value.name} is no codebook weight"
    lookup = _read_lookup(node)
    entries = lookup.entries
    for move in reversed(moves):
        try:
            entries = _moved(move, entries)
        except (ValueError, IndexError) as error:
            raise ModelError(f"{move.name}: {move.op_type} does not fit a weight {list(entries.shape)}") from error
    return Lookup(lookup.codebook, entries)


def _read_lookup(node: ir.Node) -> Lookup:
    codebook, indices = constant(node.inputs[0]), _constant_indices(node.inputs[1])
    if codebook is None:
        raise LeftAloneError("its codebook is a graph input, so a caller may replace it")
    if indices is None:
        raise LeftAloneError("its indices are not constant")
    if codebook.dtype != np.float32:
        raise LeftAloneError(f"its codebook is {codebook.dtype}, not float32")
    where = node.inputs[1].name if node.inputs[1] is not None else node.name
    table = codebook.astype(np.float32, copy=False).reshape(-1, codebook.shape[-1])
    return Lookup(table, _count_through_groups(f"{where}", table, indices, node.op_type))


def _count_through_groups(where: str, codebook: Floats, indices: Integers, op_type: str) -> Integers:
    """``indices`` into rows of ``codebook`` as indices into all of it; negative ones count from a row's end."""
    groups, size = codebook.shape
    if size > MAX_ENTRIES:
        raise ModelError(
            f"{where}: the codebook has {size} entries, an index of 8 bits reaches {MAX_ENTRIES}. Learn a smaller one."
        )
    if not indices.size:
        raise ModelError(f"{where}: the weight has no elements")
    lowest, highest = int(indices.min()), int(indices.max())
    if lowest < -size or highest >= size:
        found = lowest if lowest < -size else highest
        raise ModelError(f"{where}: index {found} is outside a codebook of {size} entries. Export the model again.")
    if op_type == "GatherElements" and (indices.ndim != 2 or indices.shape[0] != groups):
        raise ModelError(f"{where}: indices are {list(indices.shape)}, wanted [{groups}, any] for {groups} codebooks")
    entries = indices.astype(np.int32)
    entries[entries < 0] += size
    return entries if groups == 1 else entries + size * np.arange(groups, dtype=np.int32)[:, None]


def _constant_indices(value: ir.Value | None) -> Integers | None:
    """The constant integers of ``value``, seen through Casts from one integer type to another."""
    node = None if value is None else value.producer()
    while node is not None and is_standard(node, "Cast"):
        value = node.inputs[0]
        node = None if value is None else value.producer()
    found = constant(value)
    return None if found is None or not np.issubdtype(found.dtype, np.integer) else found


def _moved(node: ir.Node, entries: Integers) -> Integers:
    """``entries`` after ``node``, a Transpose or Reshape."""
    if node.op_type == "Transpose":
        return entries.transpose(node.attributes.get_ints("perm", range(entries.ndim)[::-1]))
    target = constant(node.inputs[1])
    if target is None:
        raise LeftAloneError("the shape of its weight is computed")
    if target.ndim != 1 or target.dtype != np.int64:
        raise ValueError("a shape is a row of int64")
    sizes = [int(size) for size in target]
    if not node.attributes.get_int("allowzero", 0):  # 0 stands for the size that the axis had
        sizes = [size or entries.shape[axis] for axis, size in enumerate(sizes)]
    return entries.reshape(sizes)
