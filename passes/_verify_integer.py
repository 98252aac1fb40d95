"""The rules of docs/packed-format.md, section 6, for one integer operator."""

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from qcompile import integer_ops, integer_product, row_ops
from qcompile.errors import ModelError
from qcompile.passes._match import constant

CODES = range(256)
# By operator: the computed inputs, the stored ones, whether its result is cut to y_min and y_max, its floats.
WEIGHTED = ("indices", "codebook", "scale", "bias")
RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...], bool, tuple[str, ...]]] = {
    integer_ops.INTEGER_MATMUL: (("x",), WEIGHTED, True, ()),
    integer_ops.INTEGER_CONV: (("x",), WEIGHTED, True, ()),
    integer_ops.INTEGER_MATMUL_FLOAT: (("x",), WEIGHTED, False, ()),
    integer_ops.INTEGER_MATMUL_DYNAMIC: (("x",), WEIGHTED, False, ()),
    integer_ops.INTEGER_CONV_FLOAT: (("x",), WEIGHTED, False, ()),
    integer_ops.INTEGER_MATMUL_ADD: (("x", "residual"), WEIGHTED, True, ("residual_scale",)),
    integer_ops.INTEGER_CONV_ADD: (("x", "residual"), WEIGHTED, True, ("residual_scale",)),
    integer_ops.INTEGER_MATMUL_ADD_FLOAT: (("x", "residual"), WEIGHTED, False, ("residual_scale",)),
    integer_ops.INTEGER_MATMUL_TABLE: (("x",), (*WEIGHTED, "table"), True, ()),
    integer_ops.INTEGER_CONV_TABLE: (("x",), (*WEIGHTED, "table"), True, ()),
    integer_ops.INTEGER_ADD: (("a", "b"), (), True, ("a_scale", "b_scale", "bias")),
    integer_ops.INTEGER_MAX_POOL: (("x",), (), False, ()),
    integer_ops.INTEGER_GLOBAL_AVERAGE_POOL: (("x",), (), True, ("scale", "bias")),
    integer_ops.INTEGER_TABLE: (("x",), ("table",), False, ()),
    integer_ops.QUANTIZE_INPUT: (("x",), ("scale", "bias"), True, ()),
    row_ops.QUANTIZE_LAYER_NORMALIZATION: (("x",), ("scale", "bias"), True, ("epsilon",)),
    row_ops.QUANTIZE_SOFTMAX: (("x",), (), True, ("scale", "bias")),
    integer_product.INTEGER_PRODUCT: (("a", "b"), (), True, ("scale", "bias")),
    integer_product.INTEGER_PRODUCT_FLOAT: (("a", "b"), (), False, ("scale",)),
}


def check_integer_node(node: ir.Node, where: str) -> None:
    """Raises ModelError where ``node`` breaks a rule."""
    computed, stored, is_cut, floats = RULES[node.op_type]
    wanted = (computed[0], *stored, *computed[1:]) if stored else computed
    if len(node.inputs) != len(wanted) or None in node.inputs:
        raise ModelError(f"{where}: {len(node.inputs)} inputs, wanted {', '.join(wanted)}")
    operands = dict(zip(wanted, node.inputs, strict=True))
    for name in stored:
        if constant(operands[name]) is None:
            raise ModelError(f"{where}: {name} is not an initializer")
    for name in floats:
        found = node.attributes.get_float(name, math.nan)
        if not math.isfinite(found):
            raise ModelError(f"{where}: {name} is {found}, wanted a finite float")
    if is_cut:
        low, high = (node.attributes.get_int(name, -1) for name in ("y_min", "y_max"))
        if low not in CODES or high not in CODES or low > high:
            raise ModelError(f"{where}: y_min {low} and y_max {high} are no codes in order")
    if set(WEIGHTED) <= set(stored):
        _check_weight(node, where)
    if "table" in stored:
        table = constant(operands["table"])
        if table is None or table.dtype != np.uint8 or table.shape != (256,):
            raise ModelError(f"{where}: the table is not uint8 [256]")
    if node.op_type == row_ops.QUANTIZE_LAYER_NORMALIZATION and not node.attributes.get_float("epsilon") > 0:
        raise ModelError(f"{where}: epsilon is {node.attributes.get_float('epsilon')}, wanted above 0")
    if node.op_type in (integer_ops.QUANTIZE_INPUT, row_ops.QUANTIZE_LAYER_NORMALIZATION):
        _check_input_scale(*(np.asarray(constant(operands[name])) for name in stored), where=where)
    elif node.op_type == integer_ops.INTEGER_MAX_POOL:
        _check_pool(node, where)
    elif node.op_type == integer_ops.INTEGER_GLOBAL_AVERAGE_POOL:
        _check_numbers(node, where, (("keepdims", 0, 1, -1),))
    elif node.op_type in integer_product.INTEGER_PRODUCTS:
        _check_numbers(node, where, (("a_zero_point", 0, 255, -1), ("b_zero_point", 0, 255, -1)))
        _check_numbers(node, where, (("a_bits", 1, 8, 8),))
        try:
            integer_product.check_orders(
                *(node.attributes.get_ints(name, ()) for name in ("a_perm", "b_perm", "y_perm"))
            )
        except ModelError as error:
            raise ModelError(f"{where}: {error}") from error
        _check_shapes(node, where)


def _check_shapes(node: ir.Node, where: str) -> None:
    """All there, or the function body could not be read."""
    rank = len(node.attributes.get_ints("a_perm", ()))
    for name in integer_product.SHAPES:
        found = tuple(node.attributes.get_ints(name, ()))
        ranks = range(1, integer_product.MAX_PRODUCT_AXES + 1) if name == "y_shape" else (rank,)
        if len(found) not in ranks or min(found) < -1 or found.count(-1) > 1:
            raise ModelError(f"{where}: {name} is {list(found)}, wanted a size of each axis, one of them perhaps -1")


def _check_numbers(node: ir.Node, where: str, wanted: Sequence[tuple[str, int, int, int]]) -> None:
    """By name: the least and the most, and what it is where it is absent."""
    for name, low, high, absent in wanted:
        if not low <= node.attributes.get_int(name, absent) <= high:
            raise ModelError(f"{where}: {name} is {node.attributes.get_int(name, absent)}, wanted {low} to {high}")


def _check_input_scale(scale: integer_ops.Floats, bias: integer_ops.Floats, *, where: str) -> None:
    for name, found in (("scale", scale), ("bias", bias)):
        if found.dtype != np.float32 or found.ndim != 1 or found.shape != scale.shape or not np.isfinite(found).all():
            raise ModelError(f"{where}: {name} is {found.dtype} {list(found.shape)}, wanted a finite float a channel")


def _check_pool(node: ir.Node, where: str) -> None:
    kernel, pads = (tuple(node.attributes.get_ints(name, ())) for name in ("kernel_shape", "pads"))
    if len(kernel) not in (1, 2) or min(kernel) < 1:
        raise ModelError(f"{where}: kernel_shape is {list(kernel)}, wanted one or two ints, each at least 1")
    _check_ints(node, where, (("strides", len(kernel), 1), ("pads", 2 * len(kernel), 0)))
    if any(pad >= size for pad, size in zip(pads, kernel * 2, strict=True)):
        raise ModelError(f"{where}: pads {list(pads)} are not smaller than the kernel {list(kernel)}")


def _check_weight(node: ir.Node, where: str) -> None:
    indices, codebook, scale, bias = (np.asarray(constant(value)) for value in node.inputs[1:5])
    shape = tuple(node.attributes.get_ints("weight_shape", ()))
    axes = len(shape) - 2
    if axes not in ((1, 2) if node.op_type in integer_ops.INTEGER_CONVS else (0,)):
        raise ModelError(f"{where}: weight_shape of {node.op_type} is {list(shape)}")
    bits, group = node.attributes.get_int("bits", 0), node.attributes.get_int("group", 1)
    integer_ops.check_integer_weight(where, indices, codebook, scale, bias, bits, shape, group)
    origin = 0 if node.op_type == integer_ops.INTEGER_MATMUL_DYNAMIC else -1  # its rows have their own
    _check_numbers(node, where, (("x_zero_point", 0, 255, origin), ("x_bits", 1, 8, 8)))
    if node.op_type in integer_ops.INTEGER_CONVS:
        _check_ints(node, where, (("strides", axes, 1), ("dilations", axes, 1), ("pads", 2 * axes, 0)))


def _check_ints(node: ir.Node, where: str, wanted: Sequence[tuple[str, int, int]]) -> None:
    for name, count, least in wanted:
        found = tuple(node.attributes.get_ints(name, ()))
        if len(found) != count or min(found) < least:
            raise ModelError(f"{where}: {name} is {list(found)}, wanted {count} ints, each at least {least}")
