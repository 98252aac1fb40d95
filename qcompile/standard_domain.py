"""The standard operators' domain has two names, "" and "ai.onnx": here it gets the short one."""

from collections.abc import Iterable, Iterator

import onnx

LONG_NAME = "ai.onnx"


def use_short_name(model: onnx.ModelProto) -> None:
    """Calls the standard domain "" in all of ``model``, in place: runtimes know both names, ONNX's checker only that."""
    if all(opset.domain != LONG_NAME for holder in (model, *model.functions) for opset in holder.opset_import):
        return
    nodes = [node for holder in (model.graph, *model.functions) for node in _nodes(holder.node)]
    opsets = [opset for holder in (model, *model.functions) for opset in holder.opset_import]
    for named in (*nodes, *opsets):
        if named.domain == LONG_NAME:
            named.domain = ""


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """``nodes`` and those of their subgraphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node)
