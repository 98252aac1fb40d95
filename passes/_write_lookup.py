"""A float weight replaced by a lookup, in the forms that the frontend exports: all later passes see these only."""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.codebooks import Lookup
from qcompile.passes._match import constant
from qcompile.passes._operands import drop_unused, graph_of, initializer, register, widened

Floats = npt.NDArray[np.float32]


def weight_rows(node: ir.Node) -> Floats:
    """The weight of ``node``, a layer with a constant float32 weight, as [n, k]: a row for each output."""
    weight = constant(node.inputs[1])
    assert weight is not None
    rows = weight.reshape(len(weight), -1) if _is_by_row(node) else weight.T
    return np.ascontiguousarray(rows)


def as_weight(node: ir.Node, rows: Floats) -> Floats:
    """``rows`` [n, k] shaped and turned as the weight of ``node``, of which they take the place."""
    weight = constant(node.inputs[1])
    assert weight is not None
    return np.ascontiguousarray(rows.reshape(weight.shape) if _is_by_row(node) else rows.T)


def write_lookup(node: ir.Node, lookup: Lookup) -> None:
    """Gives ``node`` the ``lookup`` of ``weight_rows`` in the place of its float weight."""
    weight = constant(node.inputs[1])
    assert weight is not None
    parts = {"codebook": initializer(lookup.codebook[0] if len(lookup.codebook) == 1 else lookup.codebook)}
    parts["indices"] = _indices(node, lookup, weight.shape)
    if len(lookup.codebook) > 1:
        shape = weight.shape if _is_by_row(node) else weight.shape[::-1]
        parts["shape"] = initializer(np.array(shape, np.int64))
    if lookup.scales is not None:
        by_row = _is_by_row(node)
        parts["scale"] = initializer(lookup.scales.reshape(-1, *[1] * (weight.ndim - 1)) if by_row else lookup.scales)
    _put(node, 1, parts)


def write_rows(node: ir.Node, position: int, lookup: Lookup) -> None:
    """Gives ``node`` the ``lookup`` in one codebook, [rows, k], in the place of its constant input at ``position``."""
    parts = {"codebook": initializer(lookup.codebook[0]), "indices": widened(lookup.entries)}
    if lookup.scales is not None:
        parts["scale"] = initializer(lookup.scales[:, None])
    _put(node, position, parts)


def _put(node: ir.Node, position: int, values: dict[str, ir.Value]) -> None:
    """Puts the nodes that look up, with the constants ``values``, in the place of an input."""
    old, graph = node.inputs[position], graph_of(node)
    assert old is not None
    nodes = _nodes(node, values)
    graph.insert_before(node, nodes)
    node.replace_input_with(position, nodes[-1].outputs[0])
    name = str(old.name)
    drop_unused(old)
    for suffix, value in values.items():
        register(graph, value, f"{name}.{suffix}")


def _indices(node: ir.Node, lookup: Lookup, shape: tuple[int, ...]) -> ir.Value:
    """Shaped like the weight, or a row for each codebook; int32: Gather takes no smaller type."""
    if len(lookup.codebook) > 1:
        return widened(lookup.entries.reshape(len(lookup.codebook), -1))
    return widened(lookup.entries.reshape(shape) if _is_by_row(node) else lookup.entries.T)


def _nodes(node: ir.Node, values: dict[str, ir.Value]) -> list[ir.Node]:
    """What looks the weight up, the last one giving it as ``node`` wants it."""
    inputs = [values["codebook"], values["indices"]]
    if "shape" not in values:
        nodes = [ir.node("Gather", inputs, {"axis": 0})]
    else:
        nodes = [ir.node("GatherElements", inputs, {"axis": 1})]
        nodes.append(ir.node("Reshape", [nodes[-1].outputs[0], values["shape"]]))
        if not _is_by_row(node):
            nodes.append(ir.node("Transpose", [nodes[-1].outputs[0]], {"perm": [1, 0]}))
    if "scale" in values:
        nodes.append(ir.node("Mul", [nodes[-1].outputs[0], values["scale"]]))
    return nodes


def _is_by_row(node: ir.Node) -> bool:
    """Whether the outputs are the first axis of the weight of ``node``."""
    return node.op_type == "Conv" or bool(node.attributes.get_int("transB", 0))
