"""Why layers are still float operators after the passes of integers: read from the model, no pass keeps a list."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import constant, find_source, is_standard

LAYERS = ("Conv", "Gemm", "MatMul")


def list_unpacked(model: ir.Model) -> list[tuple[str, str]]:
    """The Conv, Gemm and MatMul that have a stored weight which is no lookup: name and reason, in the graph's order."""
    found = []
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        weight = node.inputs[1] if is_standard(node, *LAYERS) else None
        if weight is None or find_source(weight) is not None:
            continue
        reason = _reason(model, node, weight)
        if reason:
            found.append((node.name or node.outputs[0].name or node.op_type, reason))
    return found


def _reason(model: ir.Model, node: ir.Node, weight: ir.Value) -> str:
    """Why ``node``, which reads ``weight``, stays as it is; empty where it reads no constant."""
    left = node.inputs[0]
    if node.op_type == "MatMul" and constant(weight) is None and constant(left) is not None:
        return "its constant is the left operand"
    if weight.const_value is not None and weight.is_graph_input():
        return "its weight is an input of the graph as well, so a caller may replace it: take it out of the inputs"
    array = constant(weight)
    if array is None:
        return ""
    if node.graph is not model.graph:
        return "it is inside a subgraph"
    return _reason_of_constant(node, array)


def _reason_of_constant(node: ir.Node, weight: npt.NDArray[Any]) -> str:
    if weight.dtype != np.float32:
        return f"its weight is {weight.dtype}, not float32"
    if not weight.size:
        return f"its weight {list(weight.shape)} has no elements"
    if weight.ndim not in ((3, 4) if node.op_type == "Conv" else (2,)):
        wanted = "convolutions of one or two axes" if node.op_type == "Conv" else "matrices"
        return f"its weight has {weight.ndim} axes, only {wanted} are packed"
    if not np.isfinite(weight).all():
        return "its weight has a value that is not finite"
    return "transA is 1" if node.attributes.get_int("transA", 0) else "it cannot be packed"
