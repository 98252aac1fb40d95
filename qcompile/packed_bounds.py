"""The operators with a float codebook, and the corrections behind them, in float64 with a bound (bounded.py)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qcompile import ops, sparse_ops
from qcompile.bfloat16_bounds import add_flushes, round_bounded
from qcompile.bounded import Bounded, accumulate, bilinear, exact, gamma, scale_and_shift
from qcompile.decode_ops import decode_to_shape
from qcompile.gather_ops import codebook_gather


def codebook_op(operands: Sequence[Bounded], attributes: Mapping[str, Any], *, in_bfloat16: bool = False) -> Bounded:
    """CodebookMatMul, or CodebookConv where there are its attributes; ``in_bfloat16`` of x rounded to that."""
    x, indices, codebook, scale, bias = operands
    x = round_bounded(x) if in_bfloat16 else x
    shape, bits = attributes["weight_shape"], attributes["bits"]
    weight = exact(ops.decode_weight(indices.value, codebook.value, bits, shape))
    terms = math.prod(shape[1:])
    factor = scale.value if scale.value.size else np.ones(1)
    offset = bias.value if bias.value.size else np.zeros(1)
    is_matmul = "strides" not in attributes
    product = bilinear(x, weight, lambda a, b: a @ b.T, terms) if is_matmul else convolution(x, weight, attributes)
    if in_bfloat16:
        product = add_flushes(product, terms)
    if is_matmul:
        return scale_and_shift(product, factor, offset, terms)
    ones = [1] * (len(shape) - 2)
    return scale_and_shift(product, factor.reshape(-1, *ones), offset.reshape(-1, *ones), terms)


def gather_op(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """CodebookGather."""
    return _scaled(codebook_gather, operands, attributes)


def decode_op(operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """DecodeWeight."""
    return _scaled(decode_to_shape, operands, attributes)


def _scaled(decode: Any, operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """What ``decode`` gives: one rounding for the scale, and one for the bias, where they are there."""
    first, indices, codebook, scale, bias = (operand.value for operand in operands)
    given = {"bits": attributes["bits"], "weight_shape": attributes["weight_shape"]}
    value = decode(first, indices, codebook, scale, bias, **given)
    reach = decode(first, indices, np.abs(codebook), np.abs(scale), np.abs(bias), **given)
    return Bounded(value, gamma(bool(scale.size) + bool(bias.size)) * reach)


def sparse_op(op_type: str, operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """SparseMatMul and SparseConv."""
    x, base, gaps, values = operands
    shape = attributes["weight_shape"]
    weight = exact(sparse_ops.decode_corrections(gaps.value, values.value, shape))
    terms = max(1, int(np.count_nonzero(weight.value.reshape(shape[0], -1), axis=1).max()))
    if op_type == sparse_ops.SPARSE_MATMUL:
        return accumulate(base, bilinear(x, weight, lambda a, b: a @ b.T, terms), terms)
    return accumulate(base, convolution(x, weight, attributes, terms), terms)


def convolution(x: Bounded, weight: Bounded, attributes: Mapping[str, Any], terms: int | None = None) -> Bounded:
    """Sums of ``terms`` products, all that a window has where none are given."""
    spatial = weight.value.ndim - 2
    geometry = (
        attributes.get("strides", [1] * spatial),
        attributes.get("pads", [0] * (2 * spatial)),
        attributes.get("dilations", [1] * spatial),
        attributes.get("group", 1),
    )
    count = math.prod(weight.value.shape[1:]) if terms is None else terms
    return bilinear(x, weight, lambda a, b: ops.convolve(a, b, *geometry), count)
