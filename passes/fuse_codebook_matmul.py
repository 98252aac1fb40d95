"""MatMul(x, lookup) or Gemm(x, lookup, bias)  ->  qcompile.CodebookMatMul(x, indices, codebook, scale, bias).

The exported form looks a weight up in its codebook before it multiplies; fused, the float weight is never built.
Gemm's alpha becomes the scale; beta goes into the bias.
"""

import math

import numpy as np
import onnx_ir as ir

from qcompile.ops import CODEBOOK_MATMUL
from qcompile.passes._fuse import Layer, check_none_is_left, fuse_candidates, read_bias, split_by_group
from qcompile.passes._match import LeftAloneError, find_source, is_standard, read_weight


class FuseCodebookMatMul(ir.passes.InPlacePass):
    """Fuses the lookup of a codebook weight into the MatMul or Gemm that reads it.

    Requires: a model that the ONNX checker accepts.
    Ensures: no MatMul or Gemm that could be fused is left.
    Leaves alone: a codebook weight that is the left operand, is not a constant float32 matrix, or whose codebooks do
    not follow the output channels; a Gemm with transA or a bias that is not one constant for each output; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses all that ``read_layer`` accepts."""
        return ir.passes.PassResult(model, modified=fuse_candidates(model, is_candidate, read_layer))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a node could still be fused."""
        check_none_is_left(model, is_candidate, read_layer)


def is_candidate(node: ir.Node) -> bool:
    """Whether ``node`` is a MatMul or Gemm that multiplies by a codebook weight."""
    return is_standard(node, "MatMul", "Gemm") and any(find_source(value) for value in node.inputs[:2])


def read_layer(node: ir.Node) -> Layer:
    """What the candidate ``node`` computes.

    Raises LeftAloneError where the operator cannot express it.
    """
    x, weight = node.inputs[0], node.inputs[1]
    if x is None or weight is None or find_source(weight) is None:
        raise LeftAloneError("the codebook weight is its left operand")
    if node.attributes.get_int("transA", 0):
        raise LeftAloneError("transA is 1")
    lookup = read_weight(weight)
    if lookup.entries.ndim != 2:
        raise LeftAloneError(f"its weight has {lookup.entries.ndim} axes, not 2")
    entries = lookup.entries if node.attributes.get_int("transB", 0) else lookup.entries.T
    outputs = entries.shape[0]
    alpha, beta = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
    if not math.isfinite(alpha) or not math.isfinite(beta):
        raise LeftAloneError(f"alpha is {alpha}, beta is {beta}")
    bias_source = node.inputs[2] if len(node.inputs) == 3 else None
    bias = read_bias(bias_source, outputs, ((outputs,), (1, outputs), (1,), (1, 1), ()))
    return Layer(
        CODEBOOK_MATMUL,
        x,
        weight,
        split_by_group(lookup, entries),
        lookup.codebook,
        scale=None if alpha == 1 else np.full(outputs, alpha, np.float32),
        bias=None if bias is None else (bias * np.float64(beta)).astype(np.float32),
        bias_source=bias_source,
    )
