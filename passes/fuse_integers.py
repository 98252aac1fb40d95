"""DequantizeLinear, fused operator, Relu or Add, QuantizeLinear  ->  one integer operator; and so a whole region.

Walks the graph from its inputs on. At each QuantizeLinear it looks back at what was computed in float since the codes
it came from, and puts the integer operator in its place that gives the same codes: packed layers with their
rectifier, clip and residual, products of activations, additions, pooling, what only moves codes, functions of single
numbers as a table, and the normalization of rows.
Convolutions and pooling run channels last; transposes appear only where the rest of the model sees the difference.
"""

import math
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common

from qcompile.ops import CODEBOOK_CONV, DOMAIN, DOMAIN_VERSION
from qcompile.passes._activations import (
    before_cuts,
    is_layer,
    is_mean_of_space,
    is_residual,
    moved_inputs,
    node_order,
    unary_source,
)
from qcompile.passes._codes import Builder, Codes, read_codes
from qcompile.passes._input_scale import before_normalization
from qcompile.passes._integer_moves import add_move, can_move
from qcompile.passes._integer_nodes import Tail, add_input, add_layer, add_mean, add_sum, add_table
from qcompile.passes._integer_product import add_product
from qcompile.passes._integer_rows import add_rows
from qcompile.passes._integer_table import make_table
from qcompile.passes._match import constant, is_standard, sole_reader
from qcompile.passes._places import code_place, note_places
from qcompile.passes._products import after_factors, before_factors, factor_between, is_product, unscaled
from qcompile.places import CodePlace


class FuseIntegers(ir.passes.InPlacePass):
    """Puts integer operators in the place of quantized regions.

    Requires: fused operators with plain indices, shapes, pairs of QuantizeLinear and DequantizeLinear with uint8 codes.
    Ensures: the codes of every tensor are the same, but where a number lies between two codes to float rounding;
    nothing is left that nobody reads.
    Leaves alone: pairs of several scales, of other types, of tensors without a shape; whatever is not computed between
    two pairs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Lowers the whole graph."""
        lowering = _Lowering(model)
        for node in list(model.graph):
            lowering.visit(node)
        lowering.finish()
        if lowering.modified:
            model.graph.opset_imports[DOMAIN] = DOMAIN_VERSION
            onnx_ir.passes.common.RemoveUnusedNodesPass()(model)  # what was lowered
            lowering.builder.settle_names()
            note_places(model, lowering.places)  # last: under the names that they keep
        return ir.passes.PassResult(model, lowering.modified)


class _Lowering:
    """One walk over a graph: ``codes`` holds what each dequantized tensor is made of."""

    def __init__(self, model: ir.Model) -> None:
        self.modified = False
        self.places: dict[ir.Value, CodePlace] = {}  # what the codes of the new operators stand for
        self._graph = model.graph
        self._opset = model.graph.opset_imports.get("", 18)
        self._order = node_order(model)
        self.builder = Builder(model.graph)
        self._quantized: dict[ir.Value, Codes] = {}  # by what the model calls the codes
        self._codes: dict[ir.Value, Codes] = {}  # by the float tensor that they stand for

    def visit(self, node: ir.Node) -> None:
        """Handles a node that quantizes or dequantizes."""
        if is_standard(node, "QuantizeLinear"):
            self._quantize(node)
        elif is_standard(node, "DequantizeLinear"):
            found = read_codes(node)
            if found is not None and node.outputs[0].shape is not None:  # layouts need the number of axes
                known = self._quantized.get(found.value, found)
                self._codes[node.outputs[0]] = replace(known, scale=found.scale, zero_point=found.zero_point)

    def _quantize(self, node: ir.Node) -> None:
        target, value = read_codes(node), node.inputs[0]
        if target is None or value is None:
            return
        self.builder.begin_before(node)
        tail, inner = _read_tail(value, target)
        found = self._lower(node, tail, inner, value)
        if found is not None:
            self.places.setdefault(found.value, code_place(value, found))
            self.modified = True
        codes = found or target  # what stays a QuantizeLinear still tells how large its codes are
        highest = tail.bounds()["y_max"]
        self._quantized[node.outputs[0]] = replace(codes, bits=min(codes.bits, max(1, highest.bit_length())))

    def _lower(self, node: ir.Node, tail: Tail, inner: ir.Value, value: ir.Value) -> Codes | None:
        """The codes of ``value``, which ``tail`` cuts from ``inner``; None where integers do not give them."""
        producer = inner.producer()
        name = (node.name or "quantize").removesuffix(".quantize")
        # Where floats are wanted too, a layer is computed once, in floats.
        if producer is not None and is_layer(producer) and sole_reader(value) is node:
            x = self._codes.get(_input(producer))
            return None if x is None else self._layer(producer, x, tail)
        product = before_factors(inner).producer()
        if product is not None and is_product(product) and sole_reader(value) is node:
            return self._product(product, inner, tail)
        if producer is not None and is_residual(producer) and sole_reader(value) is node:
            return self._sum(producer, tail, name)
        if producer is not None and is_mean_of_space(producer):
            x = self._codes.get(_input(producer))
            return None if x is None else self._mean(producer, x, tail, name)
        if producer is not None and moved_inputs(producer):
            return self._move(producer, tail, name)
        start = value if value in self._codes else unary_source(value, self._order)
        if start is not None and start in self._codes:
            return self._table(start, value, tail, name)
        return self._from_float(node, inner, tail)

    def _table(self, start: ir.Value, end: ir.Value, tail: Tail, name: str) -> Codes:
        """A table of ``end`` for each code of ``start``; no table where no code changes and each means the same."""
        x, bounds = self._codes[start], tail.bounds()
        table = make_table(start, end, x, tail.target, self._opset).clip(bounds["y_min"], bounds["y_max"])
        if x.has_scale_of(tail.target) and np.array_equal(table[: 2**x.bits], np.arange(2**x.bits)):
            return x
        bits = max(1, int(table[: 2**x.bits].max()).bit_length())
        return replace(add_table(self.builder, name, x, table, tail.target), bits=bits)

    def _layer(self, layer: ir.Node, x: Codes, tail: Tail) -> Codes:
        value = add_layer(self.builder, layer, x, tail)
        is_conv = layer.op_type == CODEBOOK_CONV
        return Codes(value, tail.target.scale, tail.target.zero_point, channels_last=is_conv)

    def _product(self, node: ir.Node, end: ir.Value, tail: Tail | None) -> Codes | None:
        """The product ``node`` up to ``end``, which is a constant times it: codes, or with no ``tail`` floats."""
        starts = [unscaled(_input(node, position)) for position in (0, 1)]
        if not all(start in self._codes for start in starts):
            return None
        factor = factor_between(node.outputs[0], end)
        for position, start in enumerate(starts):
            factor *= factor_between(start, _input(node, position))
        a, b = (self._codes[start] for start in starts)
        return add_product(self.builder, node, a, b, factor, tail)

    def _sum(self, node: ir.Node, tail: Tail, name: str) -> Codes | None:
        """An addition: by the layer that gives one operand, else of codes."""
        a, b = node.inputs
        assert a is not None
        assert b is not None
        for own, other in ((a, b), (b, a)):
            layer = own.producer()
            if layer is None or not is_layer(layer) or sole_reader(own) is None or other not in self._codes:
                continue
            x = self._codes.get(_input(layer))
            if x is not None:
                return self._layer(layer, x, replace(tail, residual=self._codes[other]))
        if a in self._codes and b in self._codes:
            return add_sum(self.builder, node.name or name, self._codes[a], self._codes[b], tail, node.outputs[0].shape)
        return None

    def _mean(self, node: ir.Node, x: Codes, tail: Tail, name: str) -> Codes:
        found = add_mean(self.builder, node.name or name, x, tail)
        keeps_axes: int = node.attributes.get_int("keepdims", 1)
        if node.op_type != "ReduceMean" or keeps_axes:
            return found
        before = found.value.shape
        assert before is not None
        shape = ir.Shape([before.dims[0], before.dims[-1]])
        axes = self.builder.initializer(np.arange(1, len(before.dims) - 1), f"{name}.axes")
        flat = self.builder.add(ir.node("Squeeze", [found.value, axes]), f"{name}.flat", ir.DataType.UINT8, shape)
        return replace(found, value=flat, channels_last=False)

    def _move(self, node: ir.Node, tail: Tail, name: str) -> Codes | None:
        values = moved_inputs(node)
        if not can_move(node) or not all(value in self._codes for value in values):
            return None
        # Rounded and cut first where that is needed: numbers keep their order, so what is largest stays so.
        given = [self._table(value, value, tail, f"{name}.rescale") for value in values]
        return add_move(self.builder, node, given, name)

    def _from_float(self, node: ir.Node, value: ir.Value, tail: Tail) -> Codes | None:
        """Floats [batch, channels, *spatial] are quantized channels last, normalized rows as they are normalized.

        Others stay with the standard operator.
        """
        if sole_reader(_input(node)) is node and (rows := add_rows(self.builder, value.producer(), tail)) is not None:
            return rows
        known = value.shape is not None and len(value.shape.dims) in (3, 4) and isinstance(value.shape.dims[1], int)
        if not known or not self._feeds_images(tail.target.value):
            return None
        source, gain, offset = before_normalization(value)
        return add_input(self.builder, source, gain, offset, tail)

    def _feeds_images(self, codes: ir.Value) -> bool:
        """Whether a convolution or pooling reads ``codes``, dequantized."""
        pairs = [use.node for use in codes.uses() if is_standard(use.node, "DequantizeLinear")]
        readers = [use.node for pair in pairs for use in pair.outputs[0].uses()]
        return any(reader.op_type in (CODEBOOK_CONV, "MaxPool") or is_mean_of_space(reader) for reader in readers)

    def finish(self) -> None:
        """Layers that end in floats, and floats that others read of codes which are integers now."""
        for node in list(self._graph):
            if is_layer(node) and _input(node) in self._codes and _is_read(node.outputs[0]):
                self._layer_to_float(node)
            elif is_product(node) and _is_read(node.outputs[0]):
                self._product_to_float(node)
        for value, codes in self._codes.items():
            reader = value.producer()
            if reader is not None and _is_read(value) and reader.inputs[0] is not codes.value:
                self.builder.begin_before(reader)
                reader.replace_input_with(0, self.builder.as_in_model(codes).value)

    def _layer_to_float(self, node: ir.Node) -> None:
        self.builder.begin_before(node)
        output = node.outputs[0]
        value = add_layer(self.builder, node, self._codes[_input(node)], None)
        if node.op_type == CODEBOOK_CONV:
            value = self.builder.to_channels_first(value)
        self._take_place(value, output)

    def _product_to_float(self, node: ir.Node) -> None:
        self.builder.begin_before(node)
        output = after_factors(node.outputs[0])
        found = self._product(node, output, None)
        if found is not None:
            self._take_place(found.value, output)

    def _take_place(self, value: ir.Value, output: ir.Value) -> None:
        """Gives all that read ``output`` the new ``value``, and that its name."""
        name, shape = output.name, output.shape
        output.replace_all_uses_with(value, replace_graph_outputs=True)
        output.name = f"{name}.float"
        value.name, value.shape = name, shape
        self.modified = True


def _input(node: ir.Node, position: int = 0) -> ir.Value:
    value = node.inputs[position]
    assert value is not None
    return value


def _is_read(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()


def _read_tail(value: ir.Value, target: Codes) -> tuple[Tail, ir.Value]:
    """The cuts between ``value``, which is quantized, and what they cut."""
    low, high = -math.inf, math.inf
    inner = before_cuts(value)
    while value is not inner:
        node = value.producer()
        assert node is not None
        bounds = _bounds(node)
        # A cut that comes later is met first: it wins where both cut.
        low, high = min(max(min(bounds), low), high), max(min(bounds[1], high), low)
        value = _input(node)
    return Tail(target, low, high), inner


def _bounds(node: ir.Node) -> tuple[float, float]:
    if node.op_type == "Relu":
        return 0.0, math.inf
    low, high = [constant(v) for v in (*node.inputs[1:], None, None)[:2]]
    return (
        -math.inf if low is None else float(low.reshape(())),
        math.inf if high is None else float(high.reshape(())),
    )
