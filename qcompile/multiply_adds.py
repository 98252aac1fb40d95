"""How many products a node sums up, from the shapes that a run of it had."""

import math
from collections.abc import Sequence

from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.gather_ops import CODEBOOK_GATHER
from qcompile.sparse_ops import SPARSE_CONV, SPARSE_MATMUL, SPARSE_OPERANDS

Shape = Sequence[int]
# Where the operators of onnxruntime have their weight.
_CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = {
    *("MatMul", "FusedMatMul", "Gemm", "FusedGemm", "MatMulNBits"),
    *("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul", "QGemm"),
}


def multiply_adds(operator: str, inputs: Sequence[Shape], output: Shape, weight_shape: Shape | None) -> int | None:
    """The multiply-adds of a node; None where nothing is known of ``operator``.

    ``weight_shape`` is the attribute of that name, which our operators with a weight have. Products with padding
    count, as they do everywhere.
    """
    if operator in (CODEBOOK_GATHER, DECODE_WEIGHT):
        return None  # they multiply nothing by their weight
    if operator in (SPARSE_MATMUL, SPARSE_CONV) and weight_shape:
        corrections = math.prod(inputs[SPARSE_OPERANDS.index("values")])
        return math.prod(output) // weight_shape[0] * corrections
    if weight_shape:
        return math.prod(output) * math.prod(weight_shape[1:])
    if operator in _CONVOLUTIONS:
        return math.prod(output) * math.prod(inputs[_CONVOLUTIONS[operator]][1:])
    return math.prod(output) * _inner(inputs[0], output) if operator in _PRODUCTS else None


def _inner(a: Shape, output: Shape) -> int:
    """The length of the sums of a matrix product, whose first operand may be transposed."""
    turned = len(a) > 1 and len(output) > 1 and a[-2] != output[-2]
    return a[-2] if turned else a[-1]
