"""A function of single numbers as a table of 256 codes."""

from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnx_ir as ir

from qcompile.integer_ops import Codes as CodeArray
from qcompile.integer_ops import Floats
from qcompile.passes._codes import Codes
from qcompile.passes._match import constant


def make_table(start: ir.Value, end: ir.Value, x: Codes, target: Codes, opset: int) -> CodeArray:
    """The code in ``target`` of what ``end`` is for each code of ``start`` in ``x``: uint8 [256].

    What is no number becomes code 0.
    """
    numbers = ((np.arange(256) - x.zero_point) * np.float32(x.scale)).astype(np.float32)
    with np.errstate(all="ignore"):
        results = _evaluate(start, end, numbers, opset)
        codes = np.clip(np.rint(results / np.float32(target.scale)) + target.zero_point, 0, 255)
    return np.where(np.isnan(codes), 0, codes).astype(np.uint8)


def _evaluate(start: ir.Value, end: ir.Value, numbers: Floats, opset: int) -> Floats:
    """``end`` for ``numbers`` in the place of ``start``, by onnx's own reference."""
    if end is start:
        return numbers
    nodes = _between(start, end)
    feeds = {"start": numbers}
    protos = []
    for node in nodes:
        proto = ir.serde.serialize_node(node)
        proto.input[:] = [_name(value, start, feeds) for value in node.inputs]
        proto.output[:] = [f"v{id(output)}" for output in node.outputs]
        protos.append(proto)
    graph = onnx.helper.make_graph(
        protos,
        "table",
        [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in feeds],
        [onnx.helper.make_value_info(f"v{id(end)}", onnx.TypeProto())],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    results: Any = onnx.reference.ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(results[0], np.float32)


def _name(value: ir.Value | None, start: ir.Value, feeds: dict[str, Floats]) -> str:
    """The name of an input; constants are fed as single numbers."""
    if value is None or value is start:
        return "start" if value is start else ""
    found = constant(value)
    if found is None:
        return f"v{id(value)}"
    feeds[f"v{id(value)}"] = found.reshape(())
    return f"v{id(value)}"


def _between(start: ir.Value, end: ir.Value) -> list[ir.Node]:
    """The nodes that make ``end`` of ``start``, in the order of the graph."""
    found: set[ir.Node] = set()
    open_values = [end]
    while open_values:
        value = open_values.pop()
        node = value.producer()
        if value is start or node is None or constant(value) is not None or node in found:
            continue
        found.add(node)
        open_values += [v for v in node.inputs if v is not None]
    graph = next(iter(found)).graph
    assert graph is not None
    return [node for node in graph if node in found]
