"""Operators that only move codes, on the codes themselves."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from qcompile import integer_ops
from qcompile.ops import DOMAIN
from qcompile.passes._codes import Builder, Codes, moved_last


def add_move(builder: Builder, node: ir.Node, given: Sequence[Codes], name: str) -> Codes:
    """Adds what ``node``, which ``can_move`` accepts, does, on codes."""
    match node.op_type:
        case "MaxPool":
            return _max_pool(builder, node, given[0], name)
        case "Identity" | "Dropout":
            return given[0]
        case "Concat":
            return _concatenate(builder, node, given, name)
        case "Flatten" | "Reshape" | "Squeeze" if _is_flattening(node):
            return _flatten(builder, node, given[0], name)
    return _as_it_is(builder, node, given[0], name)


def can_move(node: ir.Node) -> bool:
    """Whether ``add_move`` has a rule for ``node``: of pooling for dense windows whose sizes are written out only."""
    if node.op_type != "MaxPool":
        return True
    attributes, (kernel, _, pads) = node.attributes, _windows(node)
    plain = attributes.get_string("auto_pad", "NOTSET") == "NOTSET" and not attributes.get_int("ceil_mode", 0)
    dense = set(attributes.get_ints("dilations", (1,))) == {1}
    inside = all(pad < size for pad, size in zip(pads, kernel * 2, strict=True))
    return len(node.outputs) == 1 and plain and dense and len(kernel) in (1, 2) and inside


def _windows(node: ir.Node) -> tuple[tuple[int, ...], ...]:
    """The kernel, strides and pads of a pooling."""
    kernel = tuple(node.attributes.get_ints("kernel_shape", ()))
    strides = tuple(node.attributes.get_ints("strides", (1,) * len(kernel)))
    return kernel, strides, tuple(node.attributes.get_ints("pads", (0,) * 2 * len(kernel)))


def _max_pool(builder: Builder, node: ir.Node, x: Codes, name: str) -> Codes:
    """MaxPool, channels last."""
    source = builder.channels_last(x)
    written = dict(zip(("kernel_shape", "strides", "pads"), _windows(node), strict=True))
    pool = ir.node(integer_ops.INTEGER_MAX_POOL, [source.value], written, domain=DOMAIN, name=node.name or name)
    shape = moved_last(node.outputs[0].shape)
    return replace(source, value=builder.add(pool, f"{name}.codes", ir.DataType.UINT8, shape))


def _concatenate(builder: Builder, node: ir.Node, given: Sequence[Codes], name: str) -> Codes:
    """Concat along the channels stays channels last; along other axes it is done as the model has it."""
    shape = node.outputs[0].shape
    rank = len(shape.dims) if shape is not None else 0
    along = node.attributes["axis"].as_int()
    last = rank > 2 and all(codes.channels_last for codes in given)
    parts = [codes if last else builder.as_in_model(codes) for codes in given]
    axis = along % rank if rank else along
    if last:
        axis = {0: 0, 1: rank - 1}.get(axis, axis - 1)
        shape = moved_last(shape)
    joined = ir.node("Concat", [codes.value for codes in parts], {"axis": axis}, name=node.name or name)
    value = builder.add(joined, f"{name}.codes", ir.DataType.UINT8, shape)
    return replace(parts[0], value=value, bits=max(codes.bits for codes in given))


def _is_flattening(node: ir.Node) -> bool:
    """Whether all axes but the first become one, and the sizes of these are known."""
    before, after = node.inputs[0], node.outputs[0]
    if before is None or before.shape is None or after.shape is None or len(after.shape.dims) != 2:
        return False
    inner = before.shape.dims[1:]
    if len(inner) < 2 or not all(isinstance(size, int) for size in inner):
        return False
    return after.shape.dims[1] == math.prod(size for size in inner if isinstance(size, int))  # so the batch stays


def _flatten(builder: Builder, node: ir.Node, x: Codes, name: str) -> Codes:
    """Flattened as it lies: where channels are last, the layer that reads it reorders its weight."""
    shape = node.outputs[0].shape
    assert shape is not None
    sizes = builder.initializer(np.array([-1, shape.dims[1]], np.int64), f"{name}.shape")
    value = builder.add(ir.node("Reshape", [x.value, sizes]), f"{name}.codes", ir.DataType.UINT8, shape)
    before = x.value.shape
    assert before is not None
    spatial = before.dims[1:-1]
    if not x.channels_last or all(size == 1 for size in spatial):
        return replace(x, value=value, channels_last=False)
    return replace(
        x, value=value, channels_last=False, flattened=tuple(size for size in before.dims[1:] if isinstance(size, int))
    )


def _as_it_is(builder: Builder, node: ir.Node, x: Codes, name: str) -> Codes:
    """The same operator on codes in the layout of the model."""
    source = builder.as_in_model(x)
    inputs = [source.value, *node.inputs[1:]]
    copy = ir.node(node.op_type, inputs, dict(node.attributes.items()), name=f"{node.name or name}.codes")
    return replace(source, value=builder.add(copy, f"{name}.codes", ir.DataType.UINT8, node.outputs[0].shape))
