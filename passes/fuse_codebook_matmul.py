"""MatMul(x, lookup) or Gemm(x, lookup, bias)  ->  qcompile.CodebookMatMul(x, indices, codebook, scale, bias).

The exported form looks a weight up in its codebook before it multiplies; fused, the float weight is never built.
Gemm's alpha and the factors of a scaled lookup become the scale, or go into the codebook where they are all one;
beta goes into the bias. A corrected lookup gives a qcompile.SparseMatMul behind it.
"""

import math

import numpy as np
import onnx_ir as ir

from qcompile.ops import CODEBOOK_MATMUL
from qcompile.passes._fuse import check_none_is_left, fuse_candidates
from qcompile.passes._layer import Layer, make_layer, read_bias
from qcompile.passes._match import LeftAloneError, find_source, is_standard
from qcompile.passes._weight import read_weight


class FuseCodebookMatMul(ir.passes.InPlacePass):
    """Fuses the lookup of a codebook weight into the MatMul or Gemm that reads it.

    Requires: a model that the ONNX checker accepts.
    Ensures: no MatMul or Gemm that could be fused is left.
    Leaves alone: a codebook weight that is the left operand, is not a constant float32 matrix, or whose codebooks or
    factors do not follow the output channels; a Gemm with transA or a bias that is not one
    constant for each output; subgraphs.
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


def bias_shapes(outputs: int) -> tuple[tuple[int, ...], ...]:
    """The shapes of a bias that is one number for each of ``outputs`` outputs, or for all."""
    return (outputs,), (1, outputs), (1,), (1, 1), ()


def read_layer(node: ir.Node) -> Layer:
    """What the candidate ``node`` computes.

    Raises LeftAloneError where the operator cannot express it.
    """
    x, source = node.inputs[0], node.inputs[1]
    if x is None or source is None or find_source(source) is None:
        raise LeftAloneError("the codebook weight is its left operand")
    if node.attributes.get_int("transA", 0):
        raise LeftAloneError("transA is 1")
    weight = read_weight(source)
    if weight.entries.ndim != 2:
        raise LeftAloneError(f"its weight has {weight.entries.ndim} axes, not 2")
    if not node.attributes.get_int("transB", 0):
        weight = weight.moved(np.transpose)
    outputs = weight.entries.shape[0]
    alpha, beta = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
    if not math.isfinite(alpha) or not math.isfinite(beta):
        raise LeftAloneError(f"alpha is {alpha}, beta is {beta}")
    bias_source = node.inputs[2] if len(node.inputs) == 3 else None
    bias = read_bias(bias_source, outputs, bias_shapes(outputs))
    return make_layer(
        CODEBOOK_MATMUL,
        x,
        source,
        weight,
        gain=alpha,
        bias=None if bias is None else (bias * np.float64(beta)).astype(np.float32),
        bias_source=bias_source,
    )
