"""A float weight that no operator of ours multiplies by  ->  a lookup of whole numbers times steps, and a Reshape.

Convolutions of three axes, transposed ones, recurrent layers, stacks of matrices: they compute in floats as before,
with a weight that FuseDecodeWeight then packs, and that is decoded when a session is created.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._chosen import stays_float
from qcompile.passes._match import constant, is_standard
from qcompile.passes._operands import graph_of, initializer, register
from qcompile.passes._write_lookup import write_rows
from qcompile.passes.round_weights import grid_lookup, round_to_grid

FEWEST = 1024  # numbers: fewer are no bytes worth an operator
SHORTEST = 16  # numbers of a row that has a step of its own
CONVOLUTIONS = {"Conv": (1,), "ConvTranspose": (1,)}  # where a weight stands
OTHERS = {"MatMul": (0, 1), "Gemm": (0, 1), "Einsum": (0, 1), "LSTM": (1, 2), "GRU": (1, 2), "RNN": (1, 2)}
STORED = {**CONVOLUTIONS, **OTHERS}


class RoundStored(ir.passes.InPlacePass):
    """Rounds the float weights that stand at ``places``, by kind of layer, to ``bits`` bits.

    The weight of a convolution gets a step for each place of its first axis, others one for each row of 16 numbers
    or more.
    Requires: a model in which what can be packed is a lookup already.
    Ensures: no constant float32 of 1024 numbers or more stands at one of these places.
    Leaves alone: constants that are not finite, or not float32; what is to stay float; subgraphs.
    """

    def __init__(self, bits: int, places: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self._bits, self._places = bits, places

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rounds each weight once for each node that reads it."""
        found = [(node, place) for node in model.graph for place in weight_places(node, self._places)]
        for node, place in found:
            _round(node, place, self._bits)
        return ir.passes.PassResult(model, modified=bool(found))


def list_left_stored(model: ir.Model) -> list[tuple[str, str]]:
    """The layers whose weight of two axes or more is still a constant, and why, in the order of the graph."""
    found = []
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        places = STORED[node.op_type] if is_standard(node, *STORED) and not stays_float(node) else ()
        values = [node.inputs[place] for place in places if place < len(node.inputs)]
        reasons = [reason for value in values if (reason := _why_left(node, value, model))]
        found += [(node.name or str(node.outputs[0].name), reason) for reason in reasons[:1]]
    return found


def _why_left(node: ir.Node, value: ir.Value | None, model: ir.Model) -> str:
    """Why the weight ``value`` is not rounded; empty where it is none."""
    if value is not None and value.const_value is not None and value.is_graph_input():
        return "its weight is an input of the graph as well, so a caller may replace it: take it out of the inputs"
    weight = constant(value)
    if weight is None or weight.ndim < 2 or weight.dtype.kind != "f":
        return ""
    if node.graph is not model.graph:
        return "it is inside a subgraph"
    if weight.dtype != np.float32:
        return f"its weight is {weight.dtype} {list(weight.shape)}, not float32"
    if not np.isfinite(weight).all():
        return "its weight has a value that is not finite"
    if not weight.size:
        return "its weight has no elements"
    if weight.size < FEWEST:
        return f"its weight has {weight.size} numbers: decoding at load is for {FEWEST} or more"
    return "no samples say how its activations become integers" if node.op_type in CONVOLUTIONS else ""


def weight_places(node: ir.Node, places: Mapping[str, tuple[int, ...]] = STORED) -> list[int]:
    """Which inputs of ``node``, of those in ``places``, are constant floats that can be rounded."""
    if not is_standard(node, *places) or stays_float(node):
        return []
    return [place for place in places[node.op_type] if place < len(node.inputs) and _can_be_rounded(node.inputs[place])]


def _can_be_rounded(value: ir.Value | None) -> bool:
    weight = constant(value)
    if weight is None or weight.dtype != np.float32 or weight.ndim < 2 or weight.size < FEWEST:
        return False
    return bool(np.isfinite(weight).all())


def _rows(shape: tuple[int, ...]) -> int:
    """How many rows the last axis makes of a weight, or the last axes where one is short: steps take bytes too."""
    axis = len(shape) - 1
    while axis and math.prod(shape[axis:]) < SHORTEST:
        axis -= 1
    return math.prod(shape[:axis])


def _round(node: ir.Node, place: int, bits: int) -> None:
    """Gives ``node`` a lookup [rows, k] and a Reshape in the place of the weight at ``place``."""
    weight, old = constant(node.inputs[place]), node.inputs[place]
    assert weight is not None, f"{node.name} has no constant there"
    rows = len(weight) if node.op_type in CONVOLUTIONS else _rows(weight.shape)
    name = str(old.name if old is not None else node.name)
    rounded = round_to_grid(np.ascontiguousarray(weight.reshape(rows, -1)), bits)
    write_rows(node, place, grid_lookup(*rounded, bits))
    sizes: npt.NDArray[np.int64] = np.array(weight.shape, np.int64)
    shape = initializer(sizes)
    reshape = ir.node("Reshape", [node.inputs[place], shape], name=name)
    graph_of(node).insert_before(node, reshape)
    node.replace_input_with(place, reshape.outputs[0])
    register(graph_of(node), shape, f"{name}.shape")
