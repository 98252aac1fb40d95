"""The integer operators on tensors that carry a bound: exact codes give exact codes, uncertain ones an interval.

Where every code that comes in is certain and no sum can exceed 2^24, all ways to run an operator give the same bits:
the bound is zero. A code that may be off by e moves a sum by at most e times the sizes of the weights; the codes of
both ends of the interval bound the code that comes out, since rounding and cutting keep order.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qcompile import integer_ops as ops
from qcompile.bounded import Array, Bounded, gamma
from qcompile.dynamic_bounds import bounded_dynamic
from qcompile.integer_product import INTEGER_PRODUCT_FLOAT, INTEGER_PRODUCTS
from qcompile.integer_product_bounds import bounded_product, product_may_round
from qcompile.integer_reference import GEOMETRY, INTEGER_OPERATORS, apply_integer, sums_of
from qcompile.ops import convolve
from qcompile.row_bounds import bounded_rows
from qcompile.row_ops import ROW_OPERATORS

EPILOGUE_ROUNDINGS = 5  # of float(sum), times scale, plus bias, and the same two for a residual


def apply_bounded(op_type: str, operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """The output of an integer operator, with its bound."""
    if op_type == ops.INTEGER_MATMUL_DYNAMIC:
        return bounded_dynamic(operands, attributes)
    if op_type in ops.TABLED.values():
        return _tabled(op_type, operands, attributes)
    if op_type in INTEGER_OPERATORS:
        return _weighted(op_type, operands, attributes)
    values = [_as_given(operand.value) for operand in operands]
    value = apply_integer(op_type, values, attributes)
    if not any(operand.error.any() for operand in operands) and not _sums_may_round(op_type, values[0], attributes):
        return Bounded(value, np.zeros(value.shape))
    match op_type:
        case ops.INTEGER_TABLE:
            return Bounded(value, _table_error(operands[0], operands[1].value, value))
        case ops.INTEGER_MAX_POOL:
            geometry = {name: attributes[name] for name in ("kernel_shape", "strides", "pads")}
            ceiling = np.ceil(operands[0].error).clip(0, 255).astype(np.uint8)
            return Bounded(value, ops.integer_max_pool(ceiling, **geometry).astype(np.float64))
    number, error = _number(op_type, operands, attributes)
    if op_type == INTEGER_PRODUCT_FLOAT:
        return Bounded(value.astype(np.float64), error)
    return Bounded(value, _code_error(number, error, value, attributes))


def _sums_may_round(op_type: str, x: Array, attributes: Mapping[str, Any]) -> bool:
    """Whether a mean or a product is of so many codes that float32 may not hold their sum."""
    if op_type in INTEGER_PRODUCTS:
        return product_may_round(x, attributes)
    return op_type == ops.INTEGER_GLOBAL_AVERAGE_POOL and math.prod(x.shape[1:-1]) * 255 > ops.EXACT_SUM


def _as_given(value: Array) -> Array:
    """Floats as the float32 that they are in a model."""
    return value.astype(np.float32) if np.issubdtype(value.dtype, np.floating) else value


def _tabled(op_type: str, operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    """As the operator without a table, and the table behind it."""
    *given, table = operands
    codes = _weighted(op_type.removesuffix("Table"), given, attributes)
    value = apply_integer(ops.INTEGER_TABLE, [codes.value, table.value], {})
    return Bounded(value, _table_error(codes, table.value, value))


def _weighted(op_type: str, operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> Bounded:
    values = [_as_given(operand.value) for operand in operands]
    value = apply_integer(op_type, values, attributes)
    error = _sum_error(op_type, operands[0], values, attributes)
    residual = operands[5] if op_type in ops.ADDING else None
    if not error.any() and (residual is None or not residual.error.any()):
        return Bounded(value, np.zeros(value.shape))
    scale, bias = values[3].astype(np.float64), values[4].astype(np.float64)
    scaled, error = sums_of(op_type, values, attributes) * scale, error * np.abs(scale)
    number, reach = scaled + bias, np.abs(scaled) + np.abs(bias)
    if residual is not None:
        added = residual.value * attributes["residual_scale"]
        number, reach = number + added, reach + np.abs(added)
        error = error + residual.error * abs(attributes["residual_scale"])
    error = error + gamma(EPILOGUE_ROUNDINGS) * (reach + error)
    if op_type.endswith("Float"):
        return Bounded(value.astype(np.float64), error)
    return Bounded(value, _code_error(number, error, value, attributes))


def _sum_error(op_type: str, x: Bounded, values: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """What sums may differ by: by uncertain codes, and by rounding where a partial sum can exceed 2^24."""
    shape, group = attributes["weight_shape"], attributes.get("group", 1)
    weight = ops.decode_integer_weight(values[1], values[2], attributes["bits"], shape, group)
    reach = ops.largest_sums(weight, attributes["x_zero_point"], attributes.get("x_bits", 8))
    if not x.error.any() and reach.max() <= ops.EXACT_SUM:
        return np.zeros(shape[0])
    sizes = np.abs(weight.astype(np.float64))
    distances = np.abs(x.value.astype(np.float64) - attributes["x_zero_point"]) + x.error
    sums = _multiply(op_type, distances, sizes, attributes)
    rounding = np.where(sums > ops.EXACT_SUM, gamma(math.prod(shape[1:]) + 1) * sums, 0.0)
    return _multiply(op_type, x.error, sizes, attributes) + rounding


def _multiply(op_type: str, x: Array, weight: Array, attributes: Mapping[str, Any]) -> Array:
    if op_type in ops.INTEGER_MATMULS:
        product: Array = np.asarray(x @ weight.T)
        return product
    geometry = [attributes[name] for name in GEOMETRY]
    sums: Array = np.moveaxis(convolve(np.moveaxis(x, -1, 1), weight, *geometry), 1, -1)
    return sums


def _number(op_type: str, operands: Sequence[Bounded], attributes: Mapping[str, Any]) -> tuple[Array, Array]:
    """What is rounded to a code, in float64, and what it may differ by."""
    x = operands[0]
    if op_type in ROW_OPERATORS:
        return bounded_rows(op_type, operands, attributes)
    axes, bias = tuple(range(1, x.value.ndim - 1)), np.asarray(attributes.get("bias", 0.0))
    match op_type:
        case ops.INTEGER_ADD:
            parts = [(operands[0], attributes["a_scale"]), (operands[1], attributes["b_scale"])]
        case ops.INTEGER_GLOBAL_AVERAGE_POOL:
            keeps = bool(attributes.get("keepdims", 1))
            mean, terms = x.value.mean(axis=axes, keepdims=keeps), math.prod(x.value.shape[1:-1])
            rounding = gamma(terms + 1) * mean if _sums_may_round(op_type, x.value, attributes) else 0.0
            parts = [(Bounded(mean, x.error.mean(axis=axes, keepdims=keeps) + rounding), attributes["scale"])]
        case name if name in INTEGER_PRODUCTS:
            parts = [(bounded_product(operands, attributes), attributes["scale"])]
        case _:
            moved = Bounded(np.moveaxis(x.value, 1, -1), np.moveaxis(x.error, 1, -1))
            parts, bias = [(moved, operands[1].value)], operands[2].value
    number = sum((part.value * scale for part, scale in parts), bias)
    error = sum((part.error * np.abs(scale) for part, scale in parts), np.float64(0))
    reach = sum((np.abs(part.value * scale) for part, scale in parts), np.abs(bias))
    return np.asarray(number), np.asarray(error + gamma(EPILOGUE_ROUNDINGS) * (reach + error))


def _code_error(number: Array, error: Array, value: Array, attributes: Mapping[str, Any]) -> Array:
    """How far the codes of ``number`` +- ``error`` may lie from ``value``."""
    low, high = attributes["y_min"], attributes["y_max"]
    lowest, highest = (np.clip(np.rint(end), low, high) for end in (number - error, number + error))
    codes = value.astype(np.float64)
    error_of_codes: Array = np.maximum(highest - codes, codes - lowest)
    return error_of_codes


def _table_error(x: Bounded, table: Array, value: Array) -> Array:
    """The largest difference to any entry that an uncertain code may select."""
    error, numbers = np.zeros(value.shape), table.astype(np.float64)
    for step in range(1, int(np.ceil(x.error.max())) + 1):
        for moved in (x.value.astype(np.int64) - step, x.value.astype(np.int64) + step):
            difference = np.abs(numbers[np.clip(moved, 0, 255)] - numbers[x.value])
            error = np.where(x.error >= step, np.maximum(error, difference), error)
    return error
