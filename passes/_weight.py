"""A codebook weight, followed from its lookup through what changes it.

    weight = codebook[entries] * factors + corrections

Mul by a constant gives the factors, ScatterND that adds the corrections; Reshape and Transpose move all three.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.ops import Floats
from qcompile.passes._match import LeftAloneError, changed_input, constant, is_lookup, is_standard

MAX_ENTRIES = 256

Integers = npt.NDArray[np.integer]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight as the entries it takes, and what is done to them.

    ``codebook`` is float32 [groups, K]. ``entries`` is int32, shaped like the weight, and counts through all
    groups: entry g * K + i is codebook[g, i]. ``factors`` and ``corrections`` are float64, shaped like the weight, or
    None where all are one or zero.
    """

    codebook: Floats
    entries: Integers
    factors: Doubles | None = None
    corrections: Doubles | None = None

    def moved(self, move: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> "Weight":
        """The weight whose elements ``move`` puts elsewhere."""
        factors, corrections = (None if part is None else move(part) for part in (self.factors, self.corrections))
        return Weight(self.codebook, move(self.entries), factors, corrections)


def read_weight(value: ir.Value) -> Weight:
    """Follows ``value`` back to its lookup, which ``find_source`` has found.

    Raises LeftAloneError where something on the way is not constant or no operator can express it; ModelError where
    parts do not fit together.
    """
    changes = []
    node = value.producer()
    while node is not None and not is_lookup(node):
        changes.append(node)
        changed = changed_input(node)
        node = None if changed is None else changed.producer()
    assert node is not None, f"{value.name} is no codebook weight"
    weight = _read_lookup(node)
    for change in reversed(changes):
        try:
            weight = _changed(change, weight)
        except (ValueError, IndexError) as error:
            shape = list(weight.entries.shape)
            raise ModelError(f"{change.name}: {change.op_type} does not fit a weight {shape}: {error}") from error
    return weight


def _changed(node: ir.Node, weight: Weight) -> Weight:
    """``weight`` after ``node``."""
    if is_standard(node, "Mul"):
        return _multiplied(node, weight)
    return _corrected(node, weight) if is_standard(node, "ScatterND") else _moved(node, weight)


def _multiplied(node: ir.Node, weight: Weight) -> Weight:
    changed = changed_input(node)
    found = next(constant(value) for value in node.inputs if value is not changed)
    if found is None or found.dtype != np.float32:
        raise LeftAloneError("its scale is not a float32 constant")
    shape = weight.entries.shape
    if np.broadcast_shapes(found.shape, shape) != shape:
        raise LeftAloneError(f"its scale {list(found.shape)} makes the weight larger than {list(shape)}")
    by = np.broadcast_to(found.astype(np.float64), shape)
    factors = by if weight.factors is None else weight.factors * by
    return replace(weight, factors=factors, corrections=None if weight.corrections is None else weight.corrections * by)


def _corrected(node: ir.Node, weight: Weight) -> Weight:
    """ScatterND: a value is added at each place, an index for each axis, negative ones from the axis's end."""
    reduction = node.attributes.get_string("reduction", "none")
    if reduction != "add":
        raise LeftAloneError(f"its weight is changed by ScatterND with reduction {reduction}, not add")
    places, values = constant(node.inputs[1]), constant(node.inputs[2])
    if places is None or values is None:
        raise LeftAloneError("its corrections are not constant")
    shape = weight.entries.shape
    if places.ndim != 2 or places.shape[1] != len(shape):
        raise LeftAloneError(f"its corrections {list(places.shape)} are not single weights of {list(shape)}")
    corrections = np.zeros(shape) if weight.corrections is None else weight.corrections.copy()
    np.add.at(corrections, tuple(places.T), values.astype(np.float64))
    return replace(weight, corrections=corrections)


def _moved(node: ir.Node, weight: Weight) -> Weight:
    """``weight`` after ``node``, a Transpose or Reshape."""
    if node.op_type == "Transpose":
        axes = node.attributes.get_ints("perm", range(weight.entries.ndim)[::-1])
        return weight.moved(lambda array: array.transpose(axes))
    target = constant(node.inputs[1])
    if target is None:
        raise LeftAloneError("the shape of its weight is computed")
    if target.ndim != 1 or target.dtype != np.int64:
        raise ValueError("a shape is a row of int64")
    sizes = [int(size) for size in target]
    if not node.attributes.get_int("allowzero", 0):  # 0 stands for the size that the axis had
        sizes = [size or weight.entries.shape[axis] for axis, size in enumerate(sizes)]
    return weight.moved(lambda array: array.reshape(sizes))


def _read_lookup(node: ir.Node) -> Weight:
    codebook, indices = constant(node.inputs[0]), _constant_indices(node.inputs[1])
    if codebook is None:
        raise LeftAloneError("its codebook is a graph input, so a caller may replace it")
    if indices is None:
        raise LeftAloneError("its indices are not constant")
    if codebook.dtype != np.float32:
        raise LeftAloneError(f"its codebook is {codebook.dtype}, not float32")
    if not codebook.size:
        raise ModelError(f"{node.name}: the codebook has no entries. Export the model again.")
    where = node.inputs[1].name if node.inputs[1] is not None else node.name
    table = codebook.astype(np.float32, copy=False).reshape(-1, codebook.shape[-1])
    return Weight(table, _count_through_groups(f"{where}", table, indices, node.op_type))


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
