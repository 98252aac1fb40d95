"""BatchNormalization(fused), Mul(fused, c), Add(fused, c)  ->  fused, with another scale and bias.

An operator of ours multiplies by a scale and adds a bias for each output channel anyway, so what follows it channel
by channel costs nothing there. Folded into the weight it would destroy the codebook. Where corrections are added in
between, they are floats of their own: they are multiplied by the factor of their channel.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.ops import CODEBOOK_CONV
from qcompile.passes._match import constant, is_constant, is_standard
from qcompile.passes._operands import (
    BIAS,
    GAPS,
    SCALE,
    VALUES,
    drop_unused,
    fused_nodes,
    graph_of,
    operand,
    set_operand,
    sparse_node,
)
from qcompile.sparse_ops import decode_positions

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Folded:
    """What a fused operator gets: scale and bias float64 [n], corrections float64 [count] or None where it has none."""

    scale: Doubles
    bias: Doubles
    corrections: Doubles | None

    def fits_float32(self) -> bool:
        """Whether every number is finite as float32."""
        parts = [self.scale, self.bias] if self.corrections is None else [self.scale, self.bias, self.corrections]
        with np.errstate(over="ignore"):
            return all(bool(np.isfinite(part.astype(np.float32)).all()) for part in parts)


class FoldBatchNorm(ir.passes.InPlacePass):
    """Folds what scales and shifts the output channels of a fused operator into its scale, bias and corrections.

    Computed in float64, rounded once.
    Requires: fused operators.
    Ensures: no BatchNormalization, Mul or Add that could be folded is left.
    Leaves alone: an operator whose output has another reader or leaves the graph; normalization in training mode; a
    constant that is not one value, or one for each channel; a result that is not finite in float32.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Folds into each fused operator until its reader is something else."""
        modified = False
        for node in fused_nodes(model):
            while (reader := _foldable_reader(node)) is not None:
                _fold(node, reader)
                modified = True
        return ir.passes.PassResult(model, modified)

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a node could still be folded."""
        for node in fused_nodes(model):
            if (reader := _foldable_reader(node)) is not None:
                raise ir.passes.PostconditionError(f"{reader.name}: {reader.op_type} was not folded into {node.name}")


def _foldable_reader(node: ir.Node) -> ir.Node | None:
    """The only reader of what ``node`` and its corrections compute, if it can be folded into them."""
    output = _output(node)
    readers = output.uses()
    if output.is_graph_output() or len(readers) != 1:
        return None
    reader = next(iter(readers)).node
    if reader.graph is not node.graph or _folded(node, reader) is None:
        return None
    return reader


def _output(node: ir.Node) -> ir.Value:
    """The output of ``node``, or of the node that adds corrections to it."""
    return (sparse_node(node) or node).outputs[0]


def _fold(node: ir.Node, reader: ir.Node) -> None:
    """Gives ``node`` and its corrections what they are together with ``reader``, and ``reader``'s output."""
    folded, graph, old_inputs = _folded(node, reader), graph_of(node), list(reader.inputs)
    assert folded is not None
    named = _constant_input(reader) if reader.op_type == "Add" else None
    before, after = _output(node), reader.outputs[0]
    name, after.shape = after.name, after.shape or before.shape
    before.shape, before.type = after.shape, after.type or before.type
    after.replace_all_uses_with(before, replace_graph_outputs=True)
    graph.remove(reader, safe=True)
    before.name = name
    _set_scale_and_bias(node, folded.scale, folded.bias, named)
    _set_corrections(node, folded.corrections)
    for value in old_inputs:
        drop_unused(value if value is not before else None)


def _set_corrections(node: ir.Node, corrections: Doubles | None) -> None:
    sparse = sparse_node(node)
    if sparse is None or corrections is None:
        return
    new, old = corrections.astype(np.float32), operand(sparse, VALUES)
    if not np.array_equal(new, old):
        set_operand(sparse, VALUES, new, f"{node.name}.weight.corrections")


def _set_scale_and_bias(node: ir.Node, scale: Doubles, bias: Doubles, named: ir.Value | None) -> None:
    """Writes what differs from before; a bias that a constant of the model is, ``named``, is read from there."""
    values = {SCALE: (scale, 1.0), BIAS: (bias, 0.0)}
    for position, (wanted, neutral) in values.items():
        new, old = wanted.astype(np.float32), node.inputs[position]
        assert old is not None
        if np.array_equal(new, _or_neutral(operand(node, position), len(new), neutral).astype(np.float32)):
            continue
        if position == BIAS and named is not None and named.is_initializer() and is_constant(named, new):
            node.replace_input_with(BIAS, named)
        else:
            set_operand(node, position, new, _operand_name(node, position, named))
        drop_unused(old if old is not node.inputs[position] else None)


def _operand_name(node: ir.Node, position: int, named: ir.Value | None) -> str:
    if position == SCALE:
        return f"{node.name}.weight.scale"
    old = node.inputs[BIAS]
    if operand(node, BIAS).size and old is not None and old.name:
        return old.name
    return (named.name if named is not None else None) or f"{node.name}.bias"


def _folded(node: ir.Node, reader: ir.Node) -> Folded | None:
    """What ``node`` followed by ``reader`` is, or None where it cannot be folded."""
    outputs = node.attributes["weight_shape"].as_ints()[0]
    if is_standard(reader, "BatchNormalization"):
        read = _normalization(node, reader, outputs)
    elif is_standard(reader, "Mul", "Add"):
        read = _constant_for_each_channel(node, reader, outputs)
    else:
        return None
    if read is None:
        return None
    factor, shift = read
    scale = _or_neutral(operand(node, SCALE), outputs, 1.0) * factor
    bias = _or_neutral(operand(node, BIAS), outputs, 0.0) * factor + shift
    folded = Folded(scale, bias, _scaled_corrections(node, factor))
    return folded if folded.fits_float32() else None


def _scaled_corrections(node: ir.Node, factor: Doubles) -> Doubles | None:
    """The corrections of ``node``, each times the factor of its output channel; None where it has none."""
    sparse = sparse_node(node)
    if sparse is None:
        return None
    columns = math.prod(node.attributes["weight_shape"].as_ints()[1:])
    channels = decode_positions(operand(sparse, GAPS)) // columns
    return operand(sparse, VALUES).astype(np.float64) * factor[channels]


def _normalization(node: ir.Node, reader: ir.Node, outputs: int) -> tuple[Doubles, Doubles] | None:
    """Factor and shift of an inference BatchNormalization over the channels of ``node``."""
    training = reader.attributes.get_int("training_mode", 0) or reader.attributes.get_int("spatial", 1) != 1
    if training or len(reader.outputs) != 1 or reader.inputs[0] is not _output(node):
        return None
    if node.op_type != CODEBOOK_CONV and _rank(node) != 2:  # channels are axis 1 there, the last axis here
        return None
    constants = [constant(value) for value in reader.inputs[1:]]
    if any(found is None or found.shape != (outputs,) for found in constants):
        return None
    gamma, beta, mean, variance = (np.asarray(found, np.float64) for found in constants)
    spread = variance + np.float64(np.float32(reader.attributes.get_float("epsilon", 1e-5)))
    if not (spread > 0).all():
        return None
    factor = gamma / np.sqrt(spread)
    return factor, beta - mean * factor


def _constant_for_each_channel(node: ir.Node, reader: ir.Node, outputs: int) -> tuple[Doubles, Doubles] | None:
    """Factor and shift of a Mul or Add by one float, or one for each channel."""
    value = _constant_input(reader)
    found = constant(value)
    if found is None or found.dtype != np.float32 or not np.isfinite(found).all():
        return None
    axes_after = len(node.attributes["weight_shape"].as_ints()) - 2 if node.op_type == CODEBOOK_CONV else 0
    wanted = (outputs, *(1,) * axes_after)
    leading = found.shape[: max(0, found.ndim - len(wanted))]
    if found.size != 1 and (found.shape[len(leading) :] != wanted or set(leading) - {1}):
        return None
    if found.ndim > 1 and found.ndim > (_rank(node) or 0):  # it would add axes
        return None
    each = np.broadcast_to(found.reshape(-1).astype(np.float64), (outputs,))
    neutral = np.zeros(outputs) if reader.op_type == "Mul" else np.ones(outputs)
    return (each, neutral) if reader.op_type == "Mul" else (neutral, each)


def _constant_input(reader: ir.Node) -> ir.Value | None:
    """The operand of Mul or Add that is constant."""
    return next((value for value in reader.inputs if constant(value) is not None), None)


def _rank(node: ir.Node) -> int | None:
    """How many axes the output of ``node`` has, where that is known."""
    if node.op_type == CODEBOOK_CONV:
        return len(node.attributes["weight_shape"].as_ints())
    shapes = [value.shape for value in (_output(node), node.inputs[0]) if value is not None and value.shape is not None]
    return len(shapes[0]) if shapes else None


def _or_neutral(array: npt.NDArray[np.float32], outputs: int, neutral: float) -> Doubles:
    """``array`` as float64 [n]; all ``neutral`` where it is absent."""
    return array.astype(np.float64) if array.size else np.full(outputs, neutral)
