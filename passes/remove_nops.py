"""Identity(x), Cast(x) to the type that x has  ->  x."""

import onnx_ir as ir

from qcompile.passes._match import is_standard
from qcompile.passes._operands import graph_of


class RemoveNops(ir.passes.InPlacePass):
    """Removes what gives what it reads, so that later passes see weights and layers side by side.

    Requires: types, where Casts are to be removed.
    Ensures: inputs and outputs of the graph have the names and shapes they had.
    Leaves alone: what lies between two values whose names must stay; subgraphs, where an Identity makes an output of
    what was computed outside, or of one value two.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Removes one after the other, in the order of the graph."""
        nops = [node for node in model.graph if _is_nop(node)]
        removed = [_remove(node) for node in nops if _can_be_one_value(node)]
        return ir.passes.PassResult(model, modified=bool(removed))


def _is_nop(node: ir.Node) -> bool:
    if is_standard(node, "Identity"):
        return True
    source = node.inputs[0] if is_standard(node, "Cast") else None
    if node.outputs[0].is_graph_output():
        return False  # it says which type the output has
    return source is not None and source.dtype is not None and source.dtype == node.attributes.get_int("to", 0)


def _can_be_one_value(node: ir.Node) -> bool:
    """Whether what ``node`` gives can be the value that it reads."""
    source = node.inputs[0]
    if source is None or not node.outputs[0].is_graph_output():
        return source is not None
    return source.producer() is not None and not source.is_graph_output()


def _remove(node: ir.Node) -> bool:
    """Puts the value that ``node`` reads in the place of what it gives; an output of the graph keeps its name."""
    source, output, graph = node.inputs[0], node.outputs[0], graph_of(node)
    assert source is not None
    name, described = source.name, source
    if output.is_graph_output():
        name, described = output.name, output
    shape, kind = described.shape or source.shape or output.shape, described.type or source.type or output.type
    output.replace_all_uses_with(source, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    source.name, source.shape, source.type = name, shape, kind
    return True
