"""IntegerMatMul or IntegerConv, IntegerTable  ->  one operator that looks its codes up itself."""

import onnx_ir as ir

from qcompile.integer_ops import INTEGER_TABLE, TABLED
from qcompile.ops import DOMAIN
from qcompile.passes._match import sole_reader


class FuseIntegerTables(ir.passes.InPlacePass):
    """Puts the operator with a table in the place of a layer of integers and the table behind it.

    Requires: integer operators. Ensures: the same codes.
    Leaves alone: layers whose codes somebody else reads, and those that add a residual.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses each pair."""
        pairs = [(node, table) for node in model.graph if (table := _table_behind(node)) is not None]
        for layer, table in pairs:
            _fuse(layer, table)
        return ir.passes.PassResult(model, bool(pairs))


def _table_behind(node: ir.Node) -> ir.Node | None:
    if node.domain != DOMAIN or node.op_type not in TABLED:
        return None
    reader = sole_reader(node.outputs[0])
    is_table = reader is not None and reader.domain == DOMAIN and reader.op_type == INTEGER_TABLE
    return reader if is_table else None


def _fuse(layer: ir.Node, table: ir.Node) -> None:
    """In the place of ``layer``, under its name."""
    old, output = layer.outputs[0], table.outputs[0]
    inputs, attributes = [*layer.inputs, table.inputs[1]], list(layer.attributes.values())
    fused = ir.Node(DOMAIN, TABLED[layer.op_type], inputs, attributes, name=layer.name)
    new = fused.outputs[0]
    new.name, new.type, new.shape = output.name, output.type, output.shape
    graph = layer.graph
    assert graph is not None
    graph.insert_before(layer, fused)
    output.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove([table, layer], safe=True)
    assert not old.uses()
