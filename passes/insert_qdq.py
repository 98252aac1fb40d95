"""activation t  ->  QuantizeLinear(t, scale, zero_point), DequantizeLinear(...), for the tensors that have a range.

Standard operators, so that any onnxruntime tells what the integers will cost before anything is fused. Fewer than 8
bits are a Clip in front, at the numbers of the lowest and highest code.
"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from qcompile.calibration import Range
from qcompile.errors import ModelError
from qcompile.passes._activations import moved_inputs, quantized_tensors
from qcompile.passes._codes import Builder
from qcompile.passes._places import mark_as_rounding


class InsertQdq(ir.passes.InPlacePass):
    """Quantizes and dequantizes the activations that integers will stand for.

    Requires: fused operators, shapes, a range for every tensor that ``quantized_tensors`` names.
    Ensures: each of these tensors is read through a DequantizeLinear only.
    Leaves alone: everything else.
    """

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        super().__init__()
        self._ranges = ranges

    def requires(self, model: ir.Model) -> None:
        """Raises PreconditionError if a tensor has no range."""
        missing = [str(value.name) for value in quantized_tensors(model) if value.name not in self._ranges]
        if missing:
            raise ir.passes.PreconditionError(f"no range for {', '.join(missing)}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Inserts a pair behind every tensor, with equal ranges where codes are only moved."""
        tensors = quantized_tensors(model)
        ranges = _share_ranges(tensors, self._ranges)
        builder = Builder(model.graph)
        for value in tensors:
            _insert(builder, value, ranges[value])
        return ir.passes.PassResult(model, modified=bool(tensors))


def _share_ranges(tensors: list[ir.Value], ranges: Mapping[str, Range]) -> dict[ir.Value, Range]:
    """The range of each tensor; what only moves codes, and all that it moves, gets one that holds all."""
    group = {value: value for value in tensors}
    for value in tensors:
        for moved in moved_inputs(value.producer()):
            if moved in group:
                _join(group, value, moved)
    members: dict[ir.Value, list[Range]] = {}
    for value in tensors:
        members.setdefault(_root(group, value), []).append(ranges[str(value.name)])
    return {value: _hull(members[_root(group, value)]) for value in tensors}


def _root(group: dict[ir.Value, ir.Value], value: ir.Value) -> ir.Value:
    while group[value] is not value:
        value = group[value]
    return value


def _join(group: dict[ir.Value, ir.Value], a: ir.Value, b: ir.Value) -> None:
    group[_root(group, a)] = _root(group, b)


def _hull(ranges: list[Range]) -> Range:
    bits = {found.bits for found in ranges}
    if len(bits) > 1:
        raise ModelError(f"tensors that share their codes have {' and '.join(map(str, sorted(bits)))} bits; give one")
    return Range(min(found.low for found in ranges), max(found.high for found in ranges), bits.pop())


def _insert(builder: Builder, value: ir.Value, found: Range) -> None:
    """Puts a pair between ``value`` and all its readers."""
    readers, name = [(use.node, use.idx) for use in value.uses()], str(value.name)
    scale = builder.initializer(np.array(found.scale, np.float32), f"{name}.scale")
    zero_point = builder.initializer(np.array(found.zero_point, np.uint8), f"{name}.zero_point")
    source = value if found.bits == 8 else _add_clip(builder, value, found)
    quantize = ir.node("QuantizeLinear", [source, scale, zero_point], name=f"{name}.quantize")
    codes = builder.add_behind(source, quantize, f"{name}.codes", ir.DataType.UINT8, value.shape)
    dequantize = ir.node("DequantizeLinear", [codes, scale, zero_point], name=f"{name}.dequantize")
    number = builder.add_behind(codes, dequantize, f"{name}.dequantized", ir.DataType.FLOAT, value.shape)
    for node, position in readers:
        node.replace_input_with(position, number)


def _add_clip(builder: Builder, value: ir.Value, found: Range) -> ir.Value:
    """Cuts ``value`` at the numbers of the lowest and the highest code."""
    bounds = [
        builder.initializer(np.array((code - found.zero_point) * found.scale, np.float32), f"{value.name}.{suffix}")
        for code, suffix in ((0, "lowest"), (found.largest_code, "highest"))
    ]
    node = ir.node("Clip", [value, *bounds], name=f"{value.name}.clip")
    mark_as_rounding(node)
    return builder.add_behind(value, node, f"{value.name}.cut", ir.DataType.FLOAT, value.shape)
