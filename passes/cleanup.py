"""model  ->  the same model without what no runtime reads: dead nodes, notes of the exporter, nops.

Exporters leave kilobytes of names, paths and shapes on nodes and values; a small network is smaller than its notes.
"""

from collections.abc import Iterator

import onnx
import onnx.helper
import onnx_ir as ir
import onnx_ir.passes.common

from qcompile.passes.remove_nops import RemoveNops

OLDEST_IR_WITH_FUNCTIONS = 8


class CleanUp(ir.passes.InPlacePass):
    """Removes dead nodes, unused initializers, Identity, Casts to the type a value has, and all notes.

    Lowers the IR version to the least that the opset needs: onnxruntime 1.17 reads no later one than 9.
    Requires: a model that the ONNX checker accepts.
    Ensures: every initializer is read; inputs and outputs of the graph are described as before.
    Leaves alone: the metadata of the model itself, where the plan is; names.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Removes first what computes nothing, then what nothing reads, then notes: a Cast needs them."""
        modified = RemoveNops()(model).modified
        modified |= onnx_ir.passes.common.RemoveUnusedNodesPass()(model).modified
        modified |= _remove_notes(model)
        modified |= _lower_ir_version(model)
        return ir.passes.PassResult(model, modified)

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if an initializer is not read."""
        for value in model.graph.initializers.values():
            if not (value.uses() or value.is_graph_output() or value.is_graph_input()):
                raise ir.passes.PostconditionError(f"initializer {value.name} is not read")


def _remove_notes(model: ir.Model) -> bool:
    """Removes documentation and metadata of graphs, nodes and values, and the shapes of values inside graphs."""
    modified = False
    for graph in model.graphs():
        modified |= _remove_own_notes(graph)
        for node in graph:
            modified |= _remove_own_notes(node)
        for value in _values(graph):
            modified |= _remove_own_notes(value)
            if not (value.is_graph_input() or value.is_graph_output()):
                modified |= value.shape is not None or value.type is not None
                value.shape, value.type = None, None
    return modified


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from graph.inputs
    yield from graph.initializers.values()
    for node in graph:
        yield from node.outputs


def _remove_own_notes(noted: ir.Graph | ir.Node | ir.Value) -> bool:
    found = bool(noted.metadata_props or noted.doc_string)
    noted.metadata_props.clear()
    if found:
        noted.doc_string = None
    return found


def _lower_ir_version(model: ir.Model) -> bool:
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items()]
    needed = onnx.helper.find_min_ir_version_for(opsets, ignore_unknown=True)
    before, wanted = model.ir_version, max(needed, OLDEST_IR_WITH_FUNCTIONS)
    model.ir_version = min(before, wanted) if before >= OLDEST_IR_WITH_FUNCTIONS else OLDEST_IR_WITH_FUNCTIONS
    return model.ir_version != before
