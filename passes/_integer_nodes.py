"""Makes the integer operators: operands and attributes from scales, zero points and the epilogue that was found."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from qcompile import integer_ops
from qcompile.ops import CODEBOOK_CONV, DOMAIN
from qcompile.passes._codes import Builder, Codes, moved_last
from qcompile.passes._integer_weight import Doubles, IntegerWeight, read_integer_weight
from qcompile.tiles import pack_tiles

GEOMETRY = ("strides", "pads", "dilations")

Attribute = int | float | tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Tail:
    """What follows a layer up to its codes: a residual, and cuts at real numbers."""

    target: Codes
    low: float
    high: float
    residual: Codes | None = None

    def bounds(self) -> dict[str, int]:
        """The lowest and highest code."""
        return {"y_min": self.target.code_of(self.low), "y_max": self.target.code_of(self.high)}


def add_layer(builder: Builder, layer: ir.Node, x: Codes, tail: Tail | None) -> ir.Value:
    """Adds the integer operator for the fused operator ``layer`` on ``x``: codes with ``tail``, else floats.

    A convolution gives channels last. The operands and attributes are those of docs/packed-format.md, section 6.
    """
    is_conv = layer.op_type == CODEBOOK_CONV
    weight = read_integer_weight(layer)
    source = _source(builder, x, is_conv=is_conv)
    name = builder.take_name(layer)  # the layer is dead from now on
    inputs = [source.value, *_operands(builder, layer, name, weight, source, tail)]
    attributes = _attributes(layer, weight, source)
    kind = integer_ops.INTEGER_CONV if is_conv else integer_ops.INTEGER_MATMUL
    if tail is None:
        kind += "Float"
    else:
        attributes |= {"y_scale": tail.target.scale, **tail.bounds()}
        if tail.residual is not None:
            kind += "Add"
            attributes["residual_scale"] = tail.residual.scale / tail.target.scale
            residual = builder.channels_last(tail.residual) if is_conv else builder.as_in_model(tail.residual)
            inputs.append(residual.value)
    node = ir.node(kind, inputs, attributes, domain=DOMAIN, name=name)
    shape = moved_last(layer.outputs[0].shape) if is_conv else layer.outputs[0].shape
    if tail is None:
        return builder.add(node, f"{name}.sums", ir.DataType.FLOAT, shape)
    return builder.add(node, f"{name}.codes", ir.DataType.UINT8, shape)


def _source(builder: Builder, x: Codes, *, is_conv: bool) -> Codes:
    """``x`` as the operator reads it; a matrix takes flattened channels in whatever order they are."""
    if is_conv:
        return builder.channels_last(x)
    return x if x.flattened else builder.as_in_model(x)


def _operands(
    builder: Builder, layer: ir.Node, name: str, weight: IntegerWeight, source: Codes, tail: Tail | None
) -> list[ir.Value]:
    """The initializers of a layer that reads ``source``."""
    indices = _reordered(weight.indices, source.flattened) if source.flattened else weight.indices
    scale, bias = _epilogue(weight, source, tail)
    tiles = pack_tiles(indices, layer.attributes.get_int("group", 1), weight.bits)
    return [
        builder.initializer(tiles, f"{name}.weight.indices"),
        builder.initializer(weight.codebook, f"{name}.weight.codebook"),
        builder.initializer(scale, f"{name}.weight.scale"),
        builder.initializer(bias, f"{name}.bias"),
    ]


def _attributes(layer: ir.Node, weight: IntegerWeight, x: Codes) -> dict[str, Attribute]:
    """What the operator says about its weight and its input."""
    attributes: dict[str, Attribute] = {"bits": weight.bits, "weight_shape": weight.indices.shape}
    attributes |= {"x_zero_point": x.zero_point, "x_scale": x.scale}
    if x.bits < 8:
        attributes["x_bits"] = x.bits
    if x.flattened is not None:
        attributes["x_flattened"] = x.flattened
    if layer.op_type == CODEBOOK_CONV:
        attributes |= {key: tuple(layer.attributes[key].as_ints()) for key in GEOMETRY}
        attributes["group"] = layer.attributes["group"].as_int()
    return attributes


def _epilogue(weight: IntegerWeight, x: Codes, tail: Tail | None) -> tuple[integer_ops.Floats, integer_ops.Floats]:
    """Scale and bias for each output, computed in float64 and rounded once."""
    scale, bias = x.scale * weight.step, weight.bias
    if tail is not None:
        scale, bias = scale / tail.target.scale, bias / tail.target.scale + tail.target.zero_point
        if tail.residual is not None:
            bias = bias - tail.residual.zero_point * (tail.residual.scale / tail.target.scale)
    return scale.astype(np.float32), bias.astype(np.float32)


def _reordered(indices: integer_ops.Codes, sizes: tuple[int, ...]) -> integer_ops.Codes:
    """``indices`` [n, channels * spatial] in the order (*spatial, channels) of ``sizes``."""
    *spatial, channels = sizes
    apart = indices.reshape(len(indices), channels, *spatial)
    return np.ascontiguousarray(np.moveaxis(apart, 1, -1).reshape(len(indices), -1))


def add_sum(builder: Builder, name: str, a: Codes, b: Codes, tail: Tail, shape: ir.Shape | None) -> Codes:
    """Adds an IntegerAdd of ``a`` and ``b``, in the layout of ``a``."""
    if a.channels_last != b.channels_last or a.flattened != b.flattened:
        a, b = builder.as_in_model(a), builder.as_in_model(b)
    to = tail.target.scale
    offset = tail.target.zero_point - (a.scale * a.zero_point + b.scale * b.zero_point) / to
    attributes = {"a_scale": a.scale / to, "b_scale": b.scale / to, "bias": offset, **tail.bounds()}
    node = ir.node(integer_ops.INTEGER_ADD, [a.value, b.value], attributes, domain=DOMAIN, name=name)
    value = builder.add(node, f"{name}.codes", ir.DataType.UINT8, a.value.shape or shape)
    return Codes(value, to, tail.target.zero_point, channels_last=a.channels_last, flattened=a.flattened)


def add_mean(builder: Builder, name: str, x: Codes, tail: Tail) -> Codes:
    """Adds an IntegerGlobalAveragePool of ``x``."""
    source, to = builder.channels_last(x), tail.target
    ratio = x.scale / to.scale
    attributes = {"scale": ratio, "bias": to.zero_point - x.zero_point * ratio, "keepdims": 1, **tail.bounds()}
    node = ir.node(integer_ops.INTEGER_GLOBAL_AVERAGE_POOL, [source.value], attributes, domain=DOMAIN, name=name)
    before = source.value.shape
    shape = None if before is None else ir.Shape([before.dims[0], *[1] * (len(before.dims) - 2), before.dims[-1]])
    value = builder.add(node, f"{name}.codes", ir.DataType.UINT8, shape)
    return Codes(value, to.scale, to.zero_point, channels_last=True)


def add_input(builder: Builder, value: ir.Value, gain: Doubles, offset: Doubles, tail: Tail) -> Codes:
    """Adds a QuantizeInput of ``value`` * gain + offset; ``value`` is [batch, channels, *spatial]."""
    to, name = tail.target, f"{value.name}.quantize_input"
    scale = builder.initializer((gain / to.scale).astype(np.float32), f"{name}.scale")
    bias = builder.initializer((offset / to.scale + to.zero_point).astype(np.float32), f"{name}.bias")
    node = ir.node(integer_ops.QUANTIZE_INPUT, [value, scale, bias], tail.bounds(), domain=DOMAIN, name=name)
    output = builder.add(node, f"{value.name}.codes", ir.DataType.UINT8, moved_last(value.shape))
    return Codes(output, to.scale, to.zero_point, channels_last=True)


def add_table(builder: Builder, name: str, x: Codes, table: integer_ops.Codes, target: Codes) -> Codes:
    """Adds an IntegerTable of ``x``, in its layout."""
    operand = builder.initializer(table, f"{name}.table")
    node = ir.node(integer_ops.INTEGER_TABLE, [x.value, operand], domain=DOMAIN, name=name)
    value = builder.add(node, f"{name}.codes", ir.DataType.UINT8, x.value.shape)
    return Codes(value, target.scale, target.zero_point, channels_last=x.channels_last, flattened=x.flattened)
