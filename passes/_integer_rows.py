"""Makes the operators that normalize rows of floats and give codes: LayerNormalization, Softmax."""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.ops import DOMAIN
from qcompile.passes._codes import Builder, Codes
from qcompile.passes._integer_nodes import Tail
from qcompile.passes._match import constant, is_standard
from qcompile.row_ops import MAX_COLUMNS, QUANTIZE_LAYER_NORMALIZATION, QUANTIZE_SOFTMAX

LAYER_NORMALIZATION, SOFTMAX = "LayerNormalization", "Softmax"
EPSILON = 1e-5  # of LayerNormalization where it has none
LARGEST = float(np.finfo(np.float32).max)

Doubles = npt.NDArray[np.float64]


def add_rows(builder: Builder, node: ir.Node | None, tail: Tail) -> Codes | None:
    """Adds the operator that gives the codes of what ``node`` normalizes; None where there is none for it."""
    if node is None or not is_standard(node, LAYER_NORMALIZATION, SOFTMAX) or not _is_by_rows(node):
        return None
    if node.op_type == SOFTMAX:
        if 1.0 / tail.target.scale > LARGEST:
            return None
        attributes = {"scale": 1.0 / tail.target.scale, "bias": float(tail.target.zero_point), **tail.bounds()}
        return _add(builder, node, QUANTIZE_SOFTMAX, [], attributes, tail)
    operands = _stretch(node)
    epsilon = node.attributes.get_float("epsilon", EPSILON)
    if operands is None or not np.float32(epsilon) > 0:
        return None
    scale, bias = operands
    stretches = {"scale": scale / tail.target.scale, "bias": bias / tail.target.scale + tail.target.zero_point}
    if not all((np.abs(operand) <= LARGEST).all() for operand in stretches.values()):
        return None
    stored = [builder.initializer(v.astype(np.float32), f"{node.name}.{name}") for name, v in stretches.items()]
    return _add(builder, node, QUANTIZE_LAYER_NORMALIZATION, stored, {"epsilon": epsilon, **tail.bounds()}, tail)


def _is_by_rows(node: ir.Node) -> bool:
    """Whether ``node`` normalizes the last axis of float32 numbers, not too many, and gives nothing else."""
    x = node.inputs[0]
    if x is None or x.dtype != ir.DataType.FLOAT or x.shape is None or not x.shape.dims:
        return False
    columns, rank = x.shape.dims[-1], len(x.shape.dims)
    is_last = node.attributes.get_int("axis", -1) in (-1, rank - 1)
    fits = not isinstance(columns, int) or 0 < columns <= MAX_COLUMNS
    return is_last and fits and not any(output.uses() or output.is_graph_output() for output in node.outputs[1:])


def _stretch(node: ir.Node) -> tuple[Doubles, Doubles] | None:
    """What a LayerNormalization multiplies each column by and adds to it."""
    x, *given = node.inputs
    assert x is not None
    assert x.shape is not None
    found = [operand for value in given if value is not None and (operand := constant(value)) is not None]
    if not found or len(found) < len([value for value in given if value is not None]):
        return None
    scale, bias = (*found, np.zeros_like(found[0]))[:2]
    if any(operand.shape != (x.shape.dims[-1],) for operand in (scale, bias)):
        return None
    return scale.astype(np.float64), bias.astype(np.float64)


def _add(
    builder: Builder,
    node: ir.Node,
    kind: str,
    operands: list[ir.Value],
    attributes: dict[str, int | float],
    tail: Tail,
) -> Codes:
    name = builder.take_name(node)  # it is dead from now on
    made = ir.node(kind, [node.inputs[0], *operands], attributes, domain=DOMAIN, name=name)
    value = builder.add(made, f"{name}.codes", ir.DataType.UINT8, node.outputs[0].shape)
    return Codes(value, tail.target.scale, tail.target.zero_point)
