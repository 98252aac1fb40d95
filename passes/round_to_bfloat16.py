"""qcompile.CodebookMatMul(x, ...)  ->  qcompile.CodebookMatMulBfloat16(x, ...), and CodebookConv likewise.

The operators round x to bfloat16; the entries of the codebook, which must be such values, are rounded here.
"""

import numpy as np
import onnx_ir as ir

from qcompile.bfloat16_ops import BFLOAT16_OF, round_codebook
from qcompile.errors import ModelError
from qcompile.passes._operands import CODEBOOK, fused_nodes, operand, set_operand


class RoundToBfloat16(ir.passes.InPlacePass):
    """Makes the products of layers with float activations those of bfloat16.

    Requires: fused operators, all folding done: it is the codebook as it stays that is rounded.
    Ensures: none of the operators that round nothing is left.
    Leaves alone: corrections, which read x as it is; integer operators.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Replaces each; ModelError where an entry is beyond the largest bfloat16."""
        nodes = [node for node in fused_nodes(model) if node.op_type in BFLOAT16_OF]
        for node in nodes:
            _round_codebook(node)
            node.op_type = BFLOAT16_OF[node.op_type]
        return ir.passes.PassResult(model, modified=bool(nodes))


def _round_codebook(node: ir.Node) -> None:
    codebook = operand(node, CODEBOOK)
    rounded = round_codebook(codebook)
    if not np.isfinite(rounded).all():
        largest = np.abs(codebook).max()
        raise ModelError(f"{node.name}: its codebook has {largest:g}, too large for bfloat16; compile without it")
    set_operand(node, CODEBOOK, rounded, f"{node.name}.weight.codebook")
