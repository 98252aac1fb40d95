"""DequantizeLinear(constant codes, scale)  ->  a lookup of the codes times the scale, as RoundWeights leaves weights.

For networks that were quantized before: by our own mixed precision, or by another tool. The codes stay what they are:
the lookup holds those that occur, so that the packed weight takes no more bits than they need. Dequantized biases and
other small constants become the floats that they are.
"""

import numpy as np
import onnx_ir as ir

from qcompile.ops import Floats
from qcompile.passes import fuse_codebook_conv, fuse_codebook_matmul
from qcompile.passes._match import LeftAloneError, changed_input, constant, is_standard
from qcompile.passes._operands import drop_unused, graph_of, initializer, register
from qcompile.passes._quantized import Whole, constant_codes, spread_scale

LAYERS = ("Conv", "Gemm", "MatMul")
BY_NUMBER = ("Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu", "BatchNormalization")
LOWEST, HIGHEST = -128, 127


class AdoptQuantizedWeights(ir.passes.InPlacePass):
    """Makes lookups of the quantized weights of layers, and floats of quantized biases.

    The codes may be stored, or be made of constants by QuantizeLinear and Clip, as some exporters leave it.
    Requires: a model that the ONNX checker accepts; shapes where auto_pad needs them.
    Ensures: the same floats, to the last bit.
    Leaves alone: codes that less their zero point do not fit int8, scales for blocks or not of output channels,
    weights that no operator of ours can read; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """First the constants that are no weights: a layer is read with its bias."""
        modified = False
        nodes = [node for node in model.graph if is_standard(node, "DequantizeLinear")]
        for node in [node for node in nodes if _is_small_constant(node)]:
            modified |= _fold(node)
        for node in [node for node in nodes if _weight_readers(node)]:
            try:
                _adopt(node)
            except LeftAloneError:
                continue  # list_left_quantized says why, once all passes are done
            modified = True
        return ir.passes.PassResult(model, modified)


def list_left_quantized(model: ir.Model) -> list[tuple[str, str]]:
    """The layers of ``model`` that still read a quantized weight: name and reason, in the order of the graph."""
    found = []
    for node in [node for node in model.clone().graph if is_standard(node, "DequantizeLinear")]:
        readers = _weight_readers(node)
        try:
            if readers:
                _adopt(node)
        except LeftAloneError as reason:
            found += [(reader.name or str(reader.outputs[0].name), str(reason)) for reader in readers]
    return found


def _weight_readers(node: ir.Node) -> list[ir.Node]:
    """The layers that multiply something by the constant that ``node`` gives, possibly moved."""
    if constant_codes(node.inputs[0]) is None:
        return []
    readers, open_values = [], [node.outputs[0]]
    while open_values:
        value = open_values.pop()
        for reader, position in value.uses():
            if is_standard(reader, *LAYERS) and position < 2:
                readers.append(reader)
            elif is_standard(reader, "Transpose", "Reshape") and changed_input(reader) is value:
                open_values.append(reader.outputs[0])
    return readers


def _is_small_constant(node: ir.Node) -> bool:
    """Whether ``node`` gives a bias, or a constant that is added or multiplied number by number."""
    uses = node.outputs[0].uses()
    is_constant = constant_codes(node.inputs[0]) is not None and not node.outputs[0].is_graph_output()
    return is_constant and bool(uses) and all(_reads_numbers(use.node, use.idx) for use in uses)


def _reads_numbers(node: ir.Node, position: int) -> bool:
    return is_standard(node, *BY_NUMBER) or (is_standard(node, "Conv", "Gemm") and position == 2)


def _fold(node: ir.Node) -> bool:
    """Puts the floats that ``node`` gives in its place; whether they are known."""
    try:
        codes, scale = _read(node)
    except LeftAloneError:
        return False
    numbers, graph, name = initializer(codes.astype(np.float32) * scale), graph_of(node), _name(node)
    node.outputs[0].replace_all_uses_with(numbers)
    drop_unused(node.outputs[0])
    register(graph, numbers, name)
    return True


def _read(node: ir.Node) -> tuple[Whole, Floats]:
    """The constant codes of ``node`` less their zero point, and the scale, which spreads over them.

    Raises LeftAloneError where they are not constant, of one float32 scale or one for each place along an axis.
    """
    codes = constant_codes(node.inputs[0])
    assert codes is not None, f"{node.name} dequantizes no constant"
    scale, zero_point = spread_scale(node, codes.shape)
    return codes - zero_point, scale


def _name(node: ir.Node) -> str:
    """What the weight or bias that ``node`` gives is called: as its codes, without what other tools put behind."""
    value: ir.Value | None = node.inputs[0]
    while value is not None and constant(value) is None:
        maker = value.producer()
        value = maker.inputs[0] if maker is not None and maker.inputs else None
    name = (value.name if value is not None else None) or node.name or "weight"
    return name.removesuffix("_quantized")


def _adopt(node: ir.Node) -> None:
    """Puts a lookup in the place of ``node``, a quantized weight.

    Raises LeftAloneError, the graph as it was, where a layer that reads it could not be fused then.
    """
    whole, scale = _read(node)
    if whole.size and (whole.min() < LOWEST or whole.max() > HIGHEST):
        raise LeftAloneError(
            f"its codes less their zero point are {whole.min()} to {whole.max()}: they do not fit int8"
        )
    entries = choose_entries(whole)
    indices = np.searchsorted(entries, whole)
    readers, graph, old, name = _weight_readers(node), graph_of(node), node.outputs[0], _name(node)
    parts = entries.astype(np.float32), indices.astype(np.int32), scale
    codebook, index, factor = (initializer(part) for part in parts)
    looked_up = ir.node("Gather", [codebook, index], {"axis": 0})
    scaled = ir.node("Mul", [looked_up.outputs[0], factor])
    graph.insert_before(node, [looked_up, scaled])
    old.replace_all_uses_with(new := scaled.outputs[0])
    new.shape, new.type = old.shape, old.type
    for value, suffix in ((codebook, "codebook"), (index, "indices"), (factor, "scale")):
        register(graph, value, f"{name}.{suffix}")
    try:
        for reader in readers:
            _check_can_be_fused(reader)
    except LeftAloneError:
        new.replace_all_uses_with(old)
        drop_unused(new)
        raise
    drop_unused(old)


def choose_entries(codes: Whole) -> Whole:
    """The numbers that indices of as few bits as can be tell apart, sorted, ``codes`` among them.

    All multiples -2^(b-1) .. 2^(b-1) - 1 of a number, which need no codebook where they are packed as integers; or the
    codes that occur, where that takes fewer bits, and fewer bytes in all.
    """
    distinct = np.unique(codes)
    unit = max(1, int(np.gcd.reduce(distinct))) if distinct.size else 1
    low, high = (int(end) // unit for end in (distinct.min(initial=0), distinct.max(initial=0)))
    grid_bits = 1 + max((-low - 1).bit_length() if low < 0 else 0, high.bit_length())
    bits = max(1, (len(distinct) - 1).bit_length())
    if bits < grid_bits and codes.size * (grid_bits - bits) / 8 > 2**bits:
        return distinct
    return unit * np.arange(-(2 ** (grid_bits - 1)), 2 ** (grid_bits - 1))


def _check_can_be_fused(layer: ir.Node) -> None:
    """Raises LeftAloneError where no operator of ours does what ``layer`` does."""
    fusion = fuse_codebook_conv if layer.op_type == "Conv" else fuse_codebook_matmul
    fusion.read_layer(layer)
