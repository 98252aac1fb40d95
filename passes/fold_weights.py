"""Layer(x, Transpose(constant))  ->  layer(x, constant): weights and biases that only lie otherwise in the file.

Exporters, and people, leave a float weight transposed, reshaped, cut out of another or stored as half precision.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.helper
import onnx.reference
import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.passes._match import FLOAT_TYPES, constant, is_standard
from qcompile.passes._operands import drop_unused, graph_of, initializer, register

LAYERS = ("Conv", "Gemm", "MatMul")
MOVES = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Cast", "Identity")


class FoldWeights(ir.passes.InPlacePass):
    """Computes the float weights and biases of layers that are constants moved or cast.

    Requires: a model that the ONNX checker accepts.
    Ensures: the same floats.
    Leaves alone: lookups and dequantized codes, which are packed as they are; other readers of the constant; subgraphs.
    Raises ModelError where a move does not fit its constant.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Folds for each layer what it reads behind its first operand."""
        modified = False
        for node in [node for node in model.graph if is_standard(node, *LAYERS)]:
            for position in range(1, len(node.inputs)):
                modified |= _fold(node, position)
        return ir.passes.PassResult(model, modified)


def _fold(node: ir.Node, position: int) -> bool:
    """Gives ``node`` a constant in the place of the moved one at ``position``; whether there was one."""
    old = node.inputs[position]
    source, moves = _moves_of(old)
    array = constant(source)
    if old is None or source is None or array is None or not (moves and _is_float(source)):
        return False
    for move in moves:
        array = _moved(move, array)
    new = initializer(array)
    node.replace_input_with(position, new)
    name, graph = str(source.name), graph_of(node)
    drop_unused(old)
    register(graph, new, name)
    return True


def _is_float(value: ir.Value) -> bool:
    tensor = ir.convenience.get_const_tensor(value)
    return tensor is not None and tensor.dtype in FLOAT_TYPES


def _moves_of(value: ir.Value | None) -> tuple[ir.Value | None, list[ir.Node]]:
    """What ``value`` was before it was moved by constants, and the nodes that moved it, in order."""
    moves: list[ir.Node] = []
    node = None if value is None else value.producer()
    while node is not None and is_standard(node, *MOVES):
        if any(given is not None and constant(given) is None for given in node.inputs[1:]):
            break
        moves.insert(0, node)
        value = node.inputs[0]
        node = None if value is None else value.producer()
    return value, moves


def _moved(node: ir.Node, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What ``node`` makes of ``array``, by ONNX's own reference.

    Raises ModelError where it does not fit.
    """
    proto = ir.serde.serialize_node(node)
    arrays: list[npt.NDArray[Any] | None] = [
        array,
        *(None if value is None else constant(value) for value in node.inputs[1:]),
    ]
    names = [f"operand{place}" if given is not None else "" for place, given in enumerate(arrays)]
    del proto.input[:]
    proto.input.extend(names)
    values = [onnx.ValueInfoProto(name=name) for name in names if name]
    graph = onnx.helper.make_graph([proto], "move", values, [onnx.ValueInfoProto(name=proto.output[0])])
    opset = onnx.helper.make_opsetid("", graph_of(node).opset_imports.get("", 1))
    model = onnx.helper.make_model(graph, opset_imports=[opset])
    feeds = {name: given for name, given in zip(names, arrays, strict=True) if given is not None}
    try:
        [found] = list(onnx.reference.ReferenceEvaluator(model).run(None, feeds))
    except (ValueError, IndexError, RuntimeError, TypeError) as error:
        raise ModelError(f"{node.name}: {node.op_type} does not fit a weight {list(array.shape)}: {error}") from error
    return np.asarray(found)
