"""What a file may say in two ways is said in one: the name of the standard domain, and what is an input."""

from collections.abc import Iterable, Iterator

import onnx

LONG_NAME = "ai.onnx"
FIRST_IR_VERSION_WITH_CONSTANTS = 4  # before it every initializer had to be listed as an input


def use_short_domain(model: onnx.ModelProto) -> None:
    """Calls the standard domain "" in all of ``model``, in place: runtimes know both, ONNX's checker this one."""
    holders = (model, *model.functions)
    opsets = [opset for holder in holders for opset in holder.opset_import]
    if all(opset.domain != LONG_NAME for opset in opsets):
        return
    nodes = [node for holder in (model.graph, *model.functions) for node in all_nodes(holder.node)]
    for named in (*nodes, *opsets):
        if named.domain == LONG_NAME:
            named.domain = ""


def take_constants_from_inputs(model: onnx.ModelProto) -> None:
    """Makes constants, in place, of the initializers of a ``model`` so old that these are inputs by necessity."""
    if model.ir_version >= FIRST_IR_VERSION_WITH_CONSTANTS:
        return
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = FIRST_IR_VERSION_WITH_CONSTANTS


def all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """``nodes`` and those of their subgraphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from all_nodes(graph.node)
