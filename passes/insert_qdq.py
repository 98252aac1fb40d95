"""activation t  ->  QuantizeLinear(t, scale, zero_point), DequantizeLinear(...), for the tensors that have a range.

Standard operators, so that any onnxruntime tells what the integers will cost before anything is fused. Fewer than 8
bits are a Clip in front, at the numbers of the lowest and highest code.
"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from qcompile.calibration import Range
from qcompile.errors import ModelError
from qcompile.passes._activations import MOVES, quantized_tensors
from qcompile.passes._match import is_standard
from qcompile.passes._operands import free_name, initializer, register


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
        for value in tensors:
            _insert(model.graph, value, ranges[value])
        return ir.passes.PassResult(model, modified=bool(tensors))


def _share_ranges(tensors: list[ir.Value], ranges: Mapping[str, Range]) -> dict[ir.Value, Range]:
    """The range of each tensor; what only moves codes, and all that it moves, gets one that holds all."""
    group = {value: value for value in tensors}
    for value in tensors:
        node = value.producer()
        if is_standard(node, *MOVES) and node is not None:
            for moved in node.inputs:
                if moved is not None and moved in group:
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


def _insert(graph: ir.Graph, value: ir.Value, found: Range) -> None:
    """Puts a pair between ``value`` and all its readers."""
    readers = [(use.node, use.idx) for use in value.uses()]
    scale, zero_point = (
        initializer(np.array(found.scale, np.float32)),
        initializer(np.array(found.zero_point, np.uint8)),
    )
    nodes = [] if found.bits == 8 else [_clip(graph, value, found)]
    source = nodes[0].outputs[0] if nodes else value
    quantize = ir.node("QuantizeLinear", [source, scale, zero_point], name=f"{value.name}.quantize")
    dequantize = ir.node("DequantizeLinear", [quantize.outputs[0], scale, zero_point], name=f"{value.name}.dequantize")
    nodes += [quantize, dequantize]
    taken = set(ir.convenience.create_value_mapping(graph))
    for node, suffix in zip(reversed(nodes), ("dequantized", "codes", "cut"), strict=False):
        node.outputs[0].name = free_name(f"{value.name}.{suffix}", taken)
    for node, kind in ((quantize, ir.DataType.UINT8), (dequantize, ir.DataType.FLOAT)):
        node.outputs[0].shape, node.outputs[0].type = value.shape, ir.TensorType(kind)
    for constant_value, suffix in ((scale, "scale"), (zero_point, "zero_point")):
        register(graph, constant_value, f"{value.name}.{suffix}")
    producer = value.producer()
    if producer is None:
        graph.insert_before(graph[0], nodes)
    else:
        graph.insert_after(producer, nodes)
    for node, position in readers:
        node.replace_input_with(position, dequantize.outputs[0])


def _clip(graph: ir.Graph, value: ir.Value, found: Range) -> ir.Node:
    bounds = [
        initializer(np.array((code - found.zero_point) * found.scale, np.float32)) for code in (0, 2**found.bits - 1)
    ]
    node = ir.node("Clip", [value, *bounds], name=f"{value.name}.clip")
    node.outputs[0].shape, node.outputs[0].type = value.shape, value.type
    for bound, suffix in zip(bounds, ("lowest", "highest"), strict=True):
        register(graph, bound, f"{value.name}.{suffix}")
    return node
