"""Which tensors of a fused model carry activations that integers can stand for.

Backward from every input of a packed layer and of a product of two activations: what is computed on the way without a
packed layer is quantized where it begins. A rectifier or clip, and an addition to the output of a packed layer, become
part of that layer, so the tensors between them are left alone.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from qcompile.ops import CODEBOOK_CONV, CODEBOOK_MATMUL, DOMAIN
from qcompile.passes._match import constant, is_standard, sole_reader
from qcompile.passes._products import before_factors, is_product, unscaled

CUTS = ("Relu", "Clip")
# What gives codes of its input's codes, with the same scale and zero point.
MOVES = ("MaxPool", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Concat", "Dropout", "Transpose")
MEANS = ("GlobalAveragePool", "ReduceMean")
# What maps single numbers to single numbers.
UNARY = (
    *("Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign"),
    *("Mish", "Gelu", "Erf", "Abs", "Neg", "Exp", "Sqrt", "Relu", "Clip"),
    *("Mul", "Add", "Sub", "Div", "Max", "Min", "Pow"),
)
MOST_UNARY_NODES = 16

Order = Mapping[ir.Node, int]


def is_layer(node: ir.Node | None) -> bool:
    """Whether ``node`` multiplies by a packed weight."""
    return node is not None and node.domain == DOMAIN and node.op_type in (CODEBOOK_CONV, CODEBOOK_MATMUL)


def is_cut(node: ir.Node | None) -> bool:
    """Whether ``node`` cuts its input at constants, not at none and not at tensors."""
    if not is_standard(node, *CUTS) or node is None or {"min", "max"} & set(node.attributes):  # attributes: opset 6
        return False
    bounds = [constant(value) for value in node.inputs[1:] if value is not None]
    return all(bound is not None and bound.size == 1 and not np.isnan(bound).any() for bound in bounds)


def before_cuts(value: ir.Value) -> ir.Value:
    """What ``value`` was before it was cut, where nothing else reads what lies between."""
    node = value.producer()
    while node is not None and is_cut(node) and node.inputs[0] is not None and sole_reader(node.inputs[0]) is node:
        value = node.inputs[0]
        node = value.producer()
    return value


def is_residual(node: ir.Node | None) -> bool:
    """Whether ``node`` adds two computed tensors of the same known shape."""
    if not is_standard(node, "Add") or node is None:
        return False
    a, b = node.inputs
    if a is None or b is None or constant(a) is not None or constant(b) is not None or a is b:
        return False
    if a.shape is None or b.shape is None or a.shape.dims != b.shape.dims:
        return False
    return ir.SymbolicDim(None) not in a.shape.dims  # two sizes without a name may differ


def moved_inputs(node: ir.Node | None) -> list[ir.Value]:
    """The tensors whose numbers ``node`` only moves or picks; none where it does anything else."""
    if node is None or not is_standard(node, *MOVES) or _drops(node):
        return []
    found = node.inputs if node.op_type == "Concat" else node.inputs[:1]
    values = [value for value in found if value is not None]
    return [] if any(constant(value) is not None for value in values) else values


def _drops(node: ir.Node) -> bool:
    """Whether ``node`` is a Dropout that may be in training mode."""
    if node.op_type != "Dropout" or len(node.inputs) < 3 or node.inputs[2] is None:
        return False
    training = constant(node.inputs[2])
    return training is None or bool(training.any())


def is_mean_of_space(node: ir.Node | None) -> bool:
    """Whether ``node`` takes the mean over all axes but batch and channels, of which there are one or two."""
    x = node.inputs[0] if node is not None and is_standard(node, *MEANS) else None
    if node is None or x is None or x.shape is None or len(x.shape.dims) not in (3, 4):
        return False
    if node.op_type == "GlobalAveragePool":
        return True
    rank = len(x.shape.dims)
    given = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = given.reshape(-1).tolist() if given is not None else node.attributes.get_ints("axes", ())
    return sorted(axis % rank for axis in axes) == list(range(2, rank))


def absorbed(node: ir.Node, order: Order) -> ir.Value | None:
    """The operand of the addition ``node`` whose layer does the addition: of two the one with the longer sums.

    What the other gives is rounded to codes before it is added, so that should be the lesser part.
    """
    found = [v for v in node.inputs if v is not None and is_layer(v.producer()) and sole_reader(v) is node]
    return max(found, key=lambda value: (_terms(value.producer()), _position(value, order)), default=None)


def _terms(layer: ir.Node | None) -> int:
    """How many products a sum of ``layer`` has."""
    assert layer is not None
    return math.prod(layer.attributes["weight_shape"].as_ints()[1:])


def unary_source(value: ir.Value, order: Order) -> ir.Value | None:
    """The tensor of codes of which ``value`` is a function, number by number; None where there is none.

    Follows operators of one number back, also where they part and meet again as in x * sigmoid(x).
    """
    open_values, inner = [value], set[ir.Node]()
    while not (inner and len(open_values) == 1 and _makes_codes(open_values[0])):
        node = max(open_values, key=lambda found: _position(found, order)).producer()
        if node is None or not _is_unary(node) or len(inner) == MOST_UNARY_NODES:
            return None
        inner.add(node)
        read = [v for v in node.inputs if v is not None and constant(v) is None]
        open_values = list(dict.fromkeys([v for v in open_values if v.producer() is not node] + read))
        if not open_values:
            return None
    return None if any(_escapes(node, inner, value) for node in inner) else open_values[0]


def _makes_codes(value: ir.Value) -> bool:
    """Whether a table may begin at ``value``: what comes before it makes codes by itself."""
    node = before_cuts(value).producer()
    if is_layer(node) or is_residual(node) or is_product(node) or is_standard(node, "DequantizeLinear"):
        return True
    return bool(moved_inputs(value.producer())) or is_mean_of_space(value.producer())


def _position(value: ir.Value, order: Order) -> int:
    node = value.producer()
    return -1 if node is None else order[node]


def _is_unary(node: ir.Node) -> bool:
    """Whether all constants that ``node`` reads are single numbers, and all else has the shape of what it gives."""
    if not is_standard(node, *UNARY):
        return False
    values = [value for value in node.inputs if value is not None]
    constants = [constant(value) for value in values]
    if any(found is not None and found.size != 1 for found in constants):
        return False
    shapes = {str(value.shape) for value, found in zip(values, constants, strict=True) if found is None}
    return shapes == {str(node.outputs[0].shape)}


def _escapes(node: ir.Node, inner: set[ir.Node], end: ir.Value) -> bool:
    """Whether something outside reads what ``node``, inside, computes on the way to ``end``."""
    output = node.outputs[0]
    return output is not end and (output.is_graph_output() or any(use.node not in inner for use in output.uses()))


def node_order(model: ir.Model) -> Order:
    """The position of each node in the model's graph."""
    return {node: position for position, node in enumerate(model.graph)}


def quantized_tensors(model: ir.Model) -> list[ir.Value]:
    """The activations that integers stand for, in the order in which they are found, each once."""
    order = node_order(model)
    open_values = deque(value for node in model.graph for value in _read_as_codes(node))
    found: dict[ir.Value, None] = {}
    while open_values:
        value = open_values.popleft()
        if value is None or value in found or not _can_be_codes(value):
            continue
        found[value] = None
        open_values += _sources(value, order)
    return list(found)


def _read_as_codes(node: ir.Node) -> Sequence[ir.Value | None]:
    """What ``node`` reads as codes by itself, whatever comes after it."""
    if is_product(node):
        return [unscaled(value) for value in node.inputs if value is not None]
    return node.inputs[:1] if is_layer(node) else ()


def _can_be_codes(value: ir.Value) -> bool:
    """Whether ``value`` is computed, of a known shape, and not codes already."""
    is_known = constant(value) is None and value.shape is not None
    return is_known and not is_standard(value.producer(), "DequantizeLinear")


def _sources(value: ir.Value, order: Order) -> list[ir.Value]:
    """What must be quantized so that ``value`` is computed in integers; empty where it is not, or by a layer alone."""
    inner = before_cuts(value)
    node = inner.producer()
    if is_layer(node) or is_product(before_factors(inner).producer()):
        return []
    if node is not None and is_residual(node):
        inside = absorbed(node, order)
        return [v for v in node.inputs if v is not None and v is not inside]
    node = value.producer()
    if node is not None and is_mean_of_space(node):
        return [v for v in node.inputs[:1] if v is not None]
    if moved := moved_inputs(node):
        return moved
    start = unary_source(value, order)
    return [] if start is None else [start]
