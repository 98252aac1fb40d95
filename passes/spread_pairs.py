"""pair, Flatten  ->  pair, Flatten, pair;    pooling, Flatten, pair  ->  pooling, pair, Flatten, pair.

What only moves or picks numbers moves and picks codes as well, so other tools write a pair on one side of it only, or
on neither. FuseIntegers looks at what lies between two pairs: with a pair on each side it finds the codes.
"""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from qcompile.passes._activations import is_cut, moved_inputs
from qcompile.passes._codes import Builder, Codes, read_codes
from qcompile.passes._match import constant, is_standard, sole_reader
from qcompile.passes._operands import drop_unused
from qcompile.passes._places import is_rounding, mark_as_rounding
from qcompile.passes._quantized import constant_codes


class SpreadPairs(ir.passes.InPlacePass):
    """Puts a pair of the same scale on the other side of each node that only moves numbers.

    Zeros around an image move nothing, and every pair has a code for zero. Slices one behind the other, or before a
    Pad, get no pair in between.
    Requires: shapes, pairs with uint8 codes.
    Ensures: the same numbers, to the last bit: rounding twice alike is rounding once, and keeps the order.
    Leaves alone: a Concat of several scales that nothing rounds; inputs of the graph; what has a pair on both sides.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Forward first, along the nodes, then backward."""
        builder, modified = Builder(model.graph), False
        for node in [node for node in model.graph if is_standard(node, "Slice")]:
            modified |= _join_slices(node)
        nodes = [node for node in model.graph if node.outputs[0].shape is not None]
        for node in nodes:
            modified |= _round_result(builder, node)
        for node in reversed(nodes):
            modified |= bool(moved_inputs(node)) and _round_inputs(builder, node)
        if modified:
            builder.settle_names()
        return ir.passes.PassResult(model, modified)


def _join_slices(node: ir.Node) -> bool:
    """Takes the pair behind a Slice away where it changes nothing and only a Slice or Pad follows; whether it did.

    FuseSubsampling looks for these, one behind the other.
    """
    output = node.outputs[0]
    quantize, before = sole_reader(output), _codes_of(_before_slices(output))
    if before is None or quantize is None or not is_standard(quantize, "QuantizeLinear"):
        return False
    dequantize = sole_reader(quantize.outputs[0])
    if dequantize is None or not is_standard(dequantize, "DequantizeLinear"):
        return False
    numbers, ends = dequantize.outputs[0], (read_codes(quantize), read_codes(dequantize))
    readers = [use.node for use in numbers.uses()]
    if any(codes is None or not codes.has_scale_of(before) for codes in ends) or numbers.is_graph_output():
        return False
    if not readers or not all(is_standard(reader, "Slice", "Pad") for reader in readers):
        return False
    numbers.replace_all_uses_with(output)
    drop_unused(numbers)
    return True


def _before_slices(value: ir.Value) -> ir.Value:
    """What ``value`` is a part of."""
    node = value.producer()
    while node is not None and is_standard(node, "Slice") and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    return value


def _sources(node: ir.Node) -> list[ir.Value]:
    """The tensors of whose numbers, and zeros, ``node`` gives some; none where it does anything else."""
    if not is_standard(node, "Pad"):
        return moved_inputs(node)
    value = constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.zeros(1)
    is_plain = node.attributes.get_string("mode", "constant") == "constant" and value is not None and not value.any()
    return [_before_slices(node.inputs[0])] if is_plain and node.inputs[0] is not None else []


def _round_result(builder: Builder, node: ir.Node) -> bool:
    """Rounds what ``node`` gives as all that it moves was rounded; whether it does now and did not."""
    sources, output = _sources(node), node.outputs[0]
    found = [_codes_of(value) for value in sources]
    uses = [(use.node, use.idx) for use in output.uses()]
    if not uses or not found or _is_rounded(output) or not all(codes and _is_like(codes, found[0]) for codes in found):
        return False
    source = sources[0].producer()
    assert source is not None
    numbers = _add_pair(builder, output, source.inputs[1:])
    for reader, position in uses:
        reader.replace_input_with(position, numbers)
    return True


def _round_inputs(builder: Builder, node: ir.Node) -> bool:
    """Rounds what ``node`` moves as its result is rounded; whether it does now and did not."""
    rounding = _rounding(node.outputs[0])
    values = [value for value in moved_inputs(node) if value.producer() is not None and _codes_of(value) is None]
    if not rounding or any(value.shape is None or value.dtype != ir.DataType.FLOAT for value in values):
        return False
    for value in dict.fromkeys(values):
        numbers = _add_pair(builder, _add_cuts(builder, value, rounding[:-1]), rounding[-1].inputs[1:])
        for position in [place for place, found in enumerate(node.inputs) if found is value]:
            node.replace_input_with(position, numbers)
    return bool(values)


def _codes_of(value: ir.Value) -> Codes | None:
    """What ``value`` is dequantized from; None where it is not, or is a constant."""
    node = value.producer()
    if node is None or not is_standard(node, "DequantizeLinear") or constant_codes(node.inputs[0]) is not None:
        return None
    return read_codes(node)


def _is_like(a: Codes, b: Codes | None) -> bool:
    return b is not None and a.has_scale_of(b)


def _is_rounded(value: ir.Value) -> bool:
    """Whether nothing but QuantizeLinear reads ``value``, as it is or cut."""
    readers = [use.node for use in value.uses()]
    return bool(readers) and all(
        is_standard(reader, "QuantizeLinear") or (is_cut(reader) and _is_rounded(reader.outputs[0]))
        for reader in readers
    )


def _rounding(value: ir.Value) -> list[ir.Node]:
    """The nodes that cut ``value`` and then the QuantizeLinear, where nothing else reads it; none where it has none."""
    found: list[ir.Node] = []
    reader = sole_reader(value)
    while reader is not None and is_cut(reader):
        found.append(reader)
        reader = sole_reader(reader.outputs[0])
    if reader is None or not is_standard(reader, "QuantizeLinear") or read_codes(reader) is None:
        return []
    return [*found, reader]


def _add_cuts(builder: Builder, value: ir.Value, cuts: Sequence[ir.Node]) -> ir.Value:
    """``value``, cut as ``cuts`` do."""
    name = value.name
    for node in cuts:
        copy = ir.node(node.op_type, [value, *node.inputs[1:]], dict(node.attributes.items()), name=f"{name}.clip")
        if is_rounding(node):
            mark_as_rounding(copy)
        value = builder.add_behind(value, copy, f"{name}.cut", ir.DataType.FLOAT, value.shape)
    return value


def _add_pair(builder: Builder, value: ir.Value, scaling: Sequence[ir.Value | None]) -> ir.Value:
    """Rounds ``value`` with the scale and zero point ``scaling``; gives the numbers."""
    name = str(value.name)
    quantize = ir.node("QuantizeLinear", [value, *scaling], name=f"{name}.quantize")
    codes = builder.add_behind(value, quantize, f"{name}.codes", ir.DataType.UINT8, value.shape)
    dequantize = ir.node("DequantizeLinear", [codes, *scaling], name=f"{name}.dequantize")
    return builder.add_behind(codes, dequantize, f"{name}.dequantized", ir.DataType.FLOAT, value.shape)
