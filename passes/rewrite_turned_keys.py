"""Reshape, Transpose, Reshape that turn the last two axes of a tensor  ->  one Transpose.

torch's exporter turns the keys of scaled_dot_product_attention so, whatever the number of axes is: it folds all leading
axes into one, and takes the sizes apart and together again. No shape inference sees through that, and without shapes
the product of queries and keys stays float.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import constant, is_standard, sole_reader
from qcompile.passes._operands import drop_unused, graph_of

Size = int | tuple[ir.Value, int]  # a number, or the size of a value along an axis


class RewriteTurnedKeys(ir.passes.InPlacePass):
    """Makes one Transpose of the last two axes of what folds the axes before them, turns, and unfolds.

    Requires: shapes of what is turned, such as torch's exporter writes.
    Ensures: the same numbers.
    Leaves alone: where another node reads what lies between, or sizes are no parts of the shape; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrites all that are found."""
        found = _found(model)
        for node in found:
            _rewrite(node)
        return ir.passes.PassResult(model, modified=bool(found))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if one could still be rewritten."""
        for node in _found(model):
            raise ir.passes.PostconditionError(f"{node.name}: was not rewritten")


def _found(model: ir.Model) -> list[ir.Node]:
    return [node for node in model.graph if is_standard(node, "Transpose") and _turns_all(node)]


def _turns_all(turn: ir.Node) -> bool:
    """Whether the Transpose ``turn`` of three axes stands between two such Reshapes."""
    fold, unfold = _neighbours(turn)
    if fold is None or unfold is None or list(turn.attributes.get_ints("perm", ())) != [0, 2, 1]:
        return False
    x = fold.inputs[0]
    if x is None or x.shape is None or len(x.shape.dims) < 3:
        return False
    axes: list[Size] = [_size(x, axis) for axis in range(len(x.shape.dims))]
    return _sizes(fold.inputs[1]) == [-1, *axes[-2:]] and _sizes(unfold.inputs[1]) == [*axes[:-2], *axes[:-3:-1]]


def _neighbours(turn: ir.Node) -> tuple[ir.Node | None, ir.Node | None]:
    """The Reshape before ``turn`` and the one behind it, where nothing else reads what lies between."""
    value = turn.inputs[0]
    fold = None if value is None else value.producer()
    unfold = sole_reader(turn.outputs[0])
    if value is None or sole_reader(value) is not turn or not is_standard(fold, "Reshape"):
        return None, None
    if unfold is None or not is_standard(unfold, "Reshape") or unfold.inputs[0] is not turn.outputs[0]:
        return None, None
    return fold, unfold


def _size(value: ir.Value, axis: int) -> Size:
    size = value.shape[axis] if value.shape is not None else None
    return size if isinstance(size, int) else (value, axis)


def _sizes(value: ir.Value | None) -> list[Size] | None:
    """The sizes in the integers ``value``, one axis of them; None where they cannot be said."""
    known = constant(value)
    if known is not None:
        return [int(size) for size in known] if known.ndim == 1 else None
    node = None if value is None else value.producer()
    if node is None or not is_standard(node, "Shape", "Slice", "Concat"):
        return None
    if node.op_type == "Shape":
        return _shape(node)
    parts = [_sizes(given) for given in (node.inputs[:1] if node.op_type == "Slice" else node.inputs)]
    if any(part is None for part in parts):
        return None
    joined = [size for part in parts if part is not None for size in part]
    return _cut(joined, node) if node.op_type == "Slice" else joined


def _shape(node: ir.Node) -> list[Size] | None:
    x = node.inputs[0]
    if x is None or x.shape is None:
        return None
    sizes = [_size(x, axis) for axis in range(len(x.shape.dims))]
    return sizes[slice(node.attributes.get_int("start", 0), node.attributes.get_int("end", len(sizes)))]


def _cut(sizes: list[Size], node: ir.Node) -> list[Size] | None:
    """What the Slice ``node`` takes of ``sizes``, forward."""
    numbers = [_single(given) for given in node.inputs[1:]]
    if None in numbers or len(numbers) < 2 or numbers[2:3] not in ([], [0]) or numbers[3:4] not in ([], [1]):
        return None
    return sizes[slice(*numbers[:2])]


def _single(value: ir.Value | None) -> int | None:
    known: npt.NDArray[Any] | None = constant(value)
    return int(known[0]) if known is not None and known.shape == (1,) else None


def _rewrite(turn: ir.Node) -> None:
    fold, unfold = _neighbours(turn)
    assert fold is not None, f"{turn.name} has no Reshape before it"
    assert unfold is not None, f"{turn.name} has no Reshape behind it"
    x, graph = fold.inputs[0], graph_of(turn)
    assert x is not None and x.shape is not None  # noqa: PT018 (one fact)
    axes = np.arange(len(x.shape.dims)).tolist()
    new = ir.node("Transpose", [x], {"perm": (*axes[:-2], axes[-1], axes[-2])}, name=turn.name)
    old = list(unfold.inputs)
    ir.convenience.replace_nodes_and_values(graph, unfold, [unfold], [new], unfold.outputs, new.outputs)
    new.outputs[0].shape = ir.Shape([*x.shape.dims[:-2], x.shape.dims[-1], x.shape.dims[-2]])
    for value in old:
        drop_unused(value)
