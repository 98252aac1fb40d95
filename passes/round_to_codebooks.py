"""Conv, Gemm or MatMul with a float weight  ->  the same with a lookup in codebooks of the least squared error.

For networks that were not learned with a codebook, where activations stay floats: any values will do as entries.
"""

import onnx_ir as ir

from qcompile.codebooks import CodebookWeights, fit_lookup
from qcompile.passes._write_lookup import weight_rows, write_lookup
from qcompile.passes.round_weights import has_float_weight


class RoundToCodebooks(ir.passes.InPlacePass):
    """Gives the float weights of layers codebooks as ``weights`` says; no sample inputs are needed.

    Requires: a model that the ONNX checker accepts.
    Ensures and leaves alone: as RoundWeights.
    """

    def __init__(self, weights: CodebookWeights) -> None:
        super().__init__()
        self._weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fits each weight once for each node that reads it."""
        nodes = [node for node in model.graph if has_float_weight(node)]
        for node in nodes:
            write_lookup(node, fit_lookup(weight_rows(node), self._weights))
        return ir.passes.PassResult(model, modified=bool(nodes))
