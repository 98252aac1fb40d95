"""Applies an integer operator by name, as a node of a model calls it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from qcompile import integer_ops as ops
from qcompile import integer_product as products
from qcompile import row_ops as rows
from qcompile.dynamic_ops import integer_matmul_dynamic

Array = npt.NDArray[Any]
INTEGER_OPERATORS = ops.INTEGER_MATMULS | ops.INTEGER_CONVS
GEOMETRY = ("strides", "pads", "dilations", "group")


def apply_integer(op_type: str, operands: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """The output of the operator ``op_type`` for ``operands`` in the order of its inputs.

    Raises KeyError for a missing attribute and LookupError for another operator.
    """
    if op_type == ops.INTEGER_MATMUL_DYNAMIC:
        return _apply_dynamic(operands, attributes)
    if op_type in INTEGER_OPERATORS:
        return _apply_weighted(op_type, operands, attributes)
    named = {name: value for name, value in attributes.items() if name != "format_version"}
    result: Array = _OTHERS[op_type](*operands, **named)
    return result


def sums_of(op_type: str, operands: Sequence[Array], attributes: Mapping[str, Any]) -> ops.Sums:
    """The exact sums of an operator with a weight, before its scale."""
    x, indices, codebook = operands[:3]
    group = attributes.get("group", 1)
    weight = ops.decode_integer_weight(indices, codebook, attributes["bits"], attributes["weight_shape"], group)
    if op_type in ops.INTEGER_MATMULS:
        return ops.sum_matmul(x, weight, attributes["x_zero_point"])
    geometry = [attributes[name] for name in GEOMETRY]
    return ops.sum_conv(x, weight, attributes["x_zero_point"], *geometry)


def _apply_weighted(op_type: str, operands: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    values = ops.scale_sums(sums_of(op_type, operands, attributes), *operands[3:5])
    if op_type in ops.ADDING:
        values = ops.add_residual(values, operands[5], attributes["residual_scale"])
    if op_type.endswith("Float"):
        return values
    codes = ops.to_codes(values, attributes["y_min"], attributes["y_max"])
    return _look_up(codes, operands[5]) if op_type.endswith("Table") else codes


def _apply_dynamic(operands: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    x, indices, codebook, scale, bias = operands
    weight = ops.decode_integer_weight(indices, codebook, attributes["bits"], attributes["weight_shape"])
    return integer_matmul_dynamic(x, weight, scale, bias, attributes.get("x_bits", 8))


def _look_up(x: Array, table: Array) -> Array:
    result: Array = table[x]
    return result


_OTHERS: Mapping[str, Callable[..., Array]] = {
    ops.INTEGER_ADD: ops.integer_add,
    ops.INTEGER_MAX_POOL: ops.integer_max_pool,
    ops.INTEGER_GLOBAL_AVERAGE_POOL: ops.integer_global_average_pool,
    ops.INTEGER_TABLE: _look_up,
    ops.QUANTIZE_INPUT: ops.quantize_input,
    rows.QUANTIZE_LAYER_NORMALIZATION: rows.quantize_layer_normalization,
    rows.QUANTIZE_SOFTMAX: rows.quantize_softmax,
    products.INTEGER_PRODUCT: products.integer_product,
    products.INTEGER_PRODUCT_FLOAT: products.integer_product_float,
}
INTEGER_NAMES = ops.INTEGER_LAYERS | _OTHERS.keys()
