"""model  ->  the same model, that says what its codes stand for and nothing of codes that are gone.

FuseIntegers notes the place of all codes; later passes fuse some of them away, and what only moves codes needs no note.
"""

import onnx_ir as ir

from qcompile.integer_ops import INTEGER_MAX_POOL
from qcompile.passes._operands import own_nodes
from qcompile.passes._places import keep_places


class KeepPlaces(ir.passes.InPlacePass):
    """Leaves out of the metadata of the model the places of all but what operators of ours give.

    Requires and ensures: nothing of the graph, which is not changed.
    Leaves alone: a model without such metadata.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Keeps the places of what our operators compute; pooling picks codes."""
        nodes = [node for node in own_nodes(model) if node.op_type != INTEGER_MAX_POOL]
        names = {str(value.name) for node in nodes for value in node.outputs}
        return ir.passes.PassResult(model, keep_places(model, names))
