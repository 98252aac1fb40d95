"""Gather of rows of a float table  ->  the same of a lookup of numbers times a scale for each row.

For tables that were not learned with a codebook, as the embeddings of words are. The result is in the form that the
frontend exports weights in, so that FuseCodebookGather sees one form.
"""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.codebooks import CodebookWeights, GridWeights, Lookup, fit_lookup
from qcompile.passes._chosen import stays_float
from qcompile.passes._match import constant, find_source, is_standard
from qcompile.passes._write_lookup import write_rows
from qcompile.passes.round_weights import grid_lookup, round_to_grid

LEAST_WIDTH = 16  # numbers of a row: in shorter ones its step would take as much as its codes


class RoundTables(ir.passes.InPlacePass):
    """Rounds the float tables of embeddings, as ``weights`` says: each row gets a scale, all share one codebook.

    Requires: a model that the ONNX checker accepts.
    Ensures: no Gather of rows of a constant float32 matrix by computed ids is left, but those told below.
    Leaves alone: tables that are looked up, not constant, not float32, not finite, no matrix, or of rows of fewer than
    16 numbers; Gather along another axis, or by constant ids; what is to stay float; subgraphs.
    """

    def __init__(self, weights: CodebookWeights | GridWeights) -> None:
        super().__init__()
        self._weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rounds each table once for each node that reads it: all get the same codes."""
        nodes = [node for node in model.graph if reads_table(node) and not (stays_float(node) or why_left(node))]
        for node in nodes:
            table = constant(node.inputs[0])
            assert table is not None, f"{node.name} reads no constant"
            write_rows(node, 0, self._lookup(np.ascontiguousarray(table)))
        return ir.passes.PassResult(model, modified=bool(nodes))

    def _lookup(self, table: npt.NDArray[np.float32]) -> Lookup:
        bits = self._weights.bits
        if isinstance(self._weights, GridWeights):
            return grid_lookup(*round_to_grid(table, bits), bits)
        return fit_lookup(table, CodebookWeights(bits, "scaled"))  # rows are many, so a codebook each is no choice


def list_left_tables(model: ir.Model) -> list[tuple[str, str]]:
    """The lookups of rows of constant floats that could not be rounded: name and reason, in the order of the graph."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    found = [node for node in nodes if reads_table(node) and not stays_float(node)]
    inside = "it is inside a subgraph"
    reasons = [why_left(node) if node.graph is model.graph else inside for node in found]
    names = [node.name or node.outputs[0].name or node.op_type for node in found]
    return [(name, reason) for name, reason in zip(names, reasons, strict=True) if reason]


def reads_table(node: ir.Node) -> bool:
    """Whether ``node`` is a Gather of constant floats by computed ids, as an embedding is."""
    if not is_standard(node, "Gather") or find_source(node.inputs[0]) is not None:
        return False
    table = constant(node.inputs[0])
    return table is not None and table.dtype.kind == "f" and table.ndim > 1 and constant(node.inputs[1]) is None


def why_left(node: ir.Node) -> str:
    """Why the table of ``node``, which ``reads_table``, is not rounded; empty where it is."""
    table = constant(node.inputs[0])
    assert table is not None, f"{node.name} reads no constant"
    if node.attributes.get_int("axis", 0) not in (0, -table.ndim):
        return f"it looks up along axis {node.attributes.get_int('axis', 0)} of its table, not along axis 0"
    if table.dtype != np.float32 or table.ndim != 2 or not table.size:
        return f"its table is {table.dtype} {list(table.shape)}, not a float32 matrix"
    if table.shape[1] < LEAST_WIDTH:
        return f"its rows have {table.shape[1]} numbers: packing is for rows of {LEAST_WIDTH} or more"
    return "" if np.isfinite(table).all() else "its table has a value that is not finite"
