"""Conv, Gemm or MatMul with a float weight  ->  the same with a lookup in codebooks of the least squared error.

For networks that were not learned with a codebook, where activations stay floats: any values will do as entries. Or
with a lookup of whole numbers times a step for each output. Entries are chosen so that their errors cancel.
"""

import math

import onnx_ir as ir

from qcompile.codebooks import CodebookWeights, GridWeights, Lookup, cancel_errors, fit_lookup
from qcompile.passes._match import constant
from qcompile.passes._write_lookup import weight_rows, write_lookup
from qcompile.passes.round_weights import grid_lookup, has_float_weight, round_to_grid


class RoundToCodebooks(ir.passes.InPlacePass):
    """Makes lookups of the float weights of layers, as ``weights`` says; no sample inputs are needed.

    Requires: a model that the ONNX checker accepts.
    Ensures and leaves alone: as RoundWeights.
    """

    def __init__(self, weights: CodebookWeights | GridWeights) -> None:
        super().__init__()
        self._weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fits each weight once for each node that reads it."""
        nodes = [node for node in model.graph if has_float_weight(node)]
        for node in nodes:
            write_lookup(node, fit_weight(node, self._weights))
        return ir.passes.PassResult(model, modified=bool(nodes))


def fit_weight(node: ir.Node, weights: CodebookWeights | GridWeights) -> Lookup:
    """The lookup for the float weight of ``node``, a layer, with entries whose errors cancel."""
    rows = weight_rows(node)
    if isinstance(weights, GridWeights):
        nearest = grid_lookup(*round_to_grid(rows, weights.bits), weights.bits)
    else:
        nearest = fit_lookup(rows, weights)
    return cancel_errors(rows, nearest, _taps(node))


def _taps(node: ir.Node) -> int:
    """How many weights of an output read the same channel: more than one in a convolution."""
    weight = constant(node.inputs[1])
    assert weight is not None
    return math.prod(weight.shape[2:])
