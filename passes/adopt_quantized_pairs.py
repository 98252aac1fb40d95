"""QuantizeLinear, [Clip of codes], DequantizeLinear of any small type  ->  [Clip], a pair with uint8 codes from 0 on.

For networks that were quantized before: int8, int4, uint4 and 2-bit codes, and codes that are cut, become what
InsertQdq writes, with the same numbers. The lowest code becomes 0, so that codes of few bits are small numbers.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from qcompile.passes._codes import Builder
from qcompile.passes._match import constant, is_standard
from qcompile.passes._operands import drop_unused
from qcompile.passes._places import mark_as_rounding
from qcompile.passes._quantized import RANGES, code_bounds, code_type


@dataclass(frozen=True, eq=False)
class Pair:
    """A QuantizeLinear and a DequantizeLinear that reads its codes, which are cut to ``low``..``high`` in between."""

    quantize: ir.Node
    dequantize: ir.Node
    low: int
    high: int
    scale: float
    zero_point: int

    @property
    def shift(self) -> int:
        """What is taken from each code: the lowest, or the zero point where that is lower still."""
        return min(self.low, self.zero_point)

    @property
    def key(self) -> Hashable:
        """The same for pairs that give the same numbers."""
        low, high = self.low - self.zero_point, self.high - self.zero_point
        return self.quantize.inputs[0], self.scale, low, high


class AdoptQuantizedPairs(ir.passes.InPlacePass):
    """Gives the pairs of a model uint8 codes, and puts a Clip of the numbers in front where that cuts the codes.

    Requires: shapes.
    Ensures: the same numbers behind each DequantizeLinear, to the last bit.
    Leaves alone: pairs of several scales or with another scale on one side, codes of more than 8 bits, pairs of
    constants; codes that anything but a Clip and a DequantizeLinear reads, there; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Writes each pair anew that is not as wanted; of pairs that round a tensor alike all read the same codes."""
        builder = Builder(model.graph)
        written: dict[Hashable, ir.Value] = {}
        modified = False
        for pair in quantized_pairs(model):
            if pair.key not in written:
                written[pair.key] = pair.quantize.outputs[0] if _is_as_wanted(pair) else _write(builder, pair)
            if pair.dequantize.inputs[0] is not written[pair.key]:
                _read_codes_of(pair.dequantize, written[pair.key])
                modified = True
        if modified:
            builder.settle_names()
        return ir.passes.PassResult(model, modified)


def quantized_pairs(model: ir.Model) -> list[Pair]:
    """The pairs of activations in the graph of ``model`` that integers can stand for, in the order of the graph."""
    nodes = [node for node in model.graph if is_standard(node, "QuantizeLinear")]
    return [pair for node in nodes if constant(node.inputs[0]) is None for pair in _pairs(node)]


def _pairs(quantize: ir.Node) -> Iterator[Pair]:
    kind, found = code_type(quantize), _single_scale(quantize)
    if kind not in RANGES or found is None or not _is_float32(quantize.inputs[0]):
        return
    for dequantize, low, high in _cut_readers(quantize.outputs[0], *RANGES[kind]):
        if _single_scale(dequantize) == found and _is_float32(dequantize.outputs[0]):
            yield Pair(quantize, dequantize, low, high, *found)


def _is_float32(value: ir.Value | None) -> bool:
    """Whether ``value`` may be float32: others can have float32 scales from opset 23 on."""
    return value is None or value.dtype in (None, ir.DataType.FLOAT)


def _single_scale(node: ir.Node) -> tuple[float, int] | None:
    """The one scale, float32 above 0, and the one zero point of ``node``; None where it has others."""
    scale = constant(node.inputs[1])
    given = node.inputs[2] if len(node.inputs) > 2 else None
    zero_point = np.zeros(()) if given is None else constant(given)
    if scale is None or zero_point is None or scale.size != 1 or zero_point.size != 1 or scale.dtype != np.float32:
        return None
    number = float(scale.reshape(()))
    return (number, int(zero_point.reshape(()))) if 0 < number < np.inf else None


def _cut_readers(codes: ir.Value, low: int, high: int) -> Iterator[tuple[ir.Node, int, int]]:
    """Each DequantizeLinear that reads ``codes``, possibly cut, with the lowest and highest code that it can get."""
    for reader, position in codes.uses():
        if position == 0 and is_standard(reader, "DequantizeLinear"):
            yield reader, low, high
        elif position == 0 and is_standard(reader, "Clip") and (cut := code_bounds(reader)) is not None:
            ends = (min(max(end, cut[0]), cut[1]) for end in (low, high))
            yield from _cut_readers(reader.outputs[0], *ends)


def _is_as_wanted(pair: Pair) -> bool:
    is_direct = pair.dequantize.inputs[0] is pair.quantize.outputs[0]
    return is_direct and code_type(pair.quantize) == "uint8"


def _read_codes_of(dequantize: ir.Node, codes: ir.Value) -> None:
    """Gives ``dequantize`` the ``codes`` of another QuantizeLinear, with its scale and zero point."""
    quantize, before = codes.producer(), list(dequantize.inputs)
    assert quantize is not None
    dequantize.resize_inputs(len(quantize.inputs))
    for position, value in enumerate((codes, *quantize.inputs[1:])):
        dequantize.replace_input_with(position, value)
    for value in before:
        drop_unused(value)


def _write(builder: Builder, pair: Pair) -> ir.Value:
    """Adds a QuantizeLinear, behind a Clip where that cuts, and gives its codes."""
    source, shift = pair.quantize.inputs[0], pair.shift
    assert source is not None
    name = str(source.name)
    builder.begin_before(pair.quantize)
    scale = builder.initializer(np.array(pair.scale, np.float32), f"{name}.scale")
    zero_point = builder.initializer(np.array(pair.zero_point - shift, np.uint8), f"{name}.zero_point")
    low, high = (code - pair.zero_point for code in (pair.low, pair.high))
    if pair.high - shift < 255 or pair.low > shift:
        bounds = [
            builder.initializer(np.array(number * pair.scale, np.float32), f"{name}.{suffix}")
            for number, suffix in ((low, "lowest"), (high, "highest"))
        ]
        clip = ir.node("Clip", [source, *bounds], name=f"{name}.clip")
        mark_as_rounding(clip)
        source = builder.add(clip, f"{name}.cut", ir.DataType.FLOAT, source.shape)
    quantize = ir.node("QuantizeLinear", [source, scale, zero_point], name=f"{name}.quantize")
    return builder.add(quantize, f"{name}.codes", ir.DataType.UINT8, source.shape)
