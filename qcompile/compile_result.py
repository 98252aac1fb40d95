"""What compiling a model did, and how it is told."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.integer_ops import EXACT_SUM, INTEGER_LAYERS, decode_integer_weight, largest_sums
from qcompile.integer_product import largest_product_sum
from qcompile.passes._operands import CODEBOOK, GAPS, INDICES, VALUES, operand, sparse_node
from qcompile.rounding import RoundedLayer, summarize
from qcompile.text import printable

NOT_CERTAIN = ", sums may exceed 2^24: without our library codes may then differ"
LeftAlone = tuple[tuple[str, str], ...]  # name and reason


@dataclass(frozen=True)
class CompiledLayer:
    """One packed layer: ``weight_bytes`` are those of its indices, codebooks and corrections in the file.

    ``largest_sum``: of a layer of integers, what no sum of products can exceed; None for float activations.
    """

    name: str
    operator: str
    weight_shape: tuple[int, ...]
    bits: int
    codebooks: int
    corrections: int
    weight_bytes: int
    largest_sum: int | None = None

    @property
    def note(self) -> str:
        """What a user should know of the layer's sums or speed; empty where there is nothing."""
        if self.operator == DECODE_WEIGHT:
            return ", decoded at load: computed with as floats"
        if self.largest_sum is None or self.largest_sum <= EXACT_SUM:
            return ""
        return NOT_CERTAIN


@dataclass(frozen=True)
class CompiledProduct:
    """A product of two activations in integers: ``terms`` products in a sum; None where only the run knows.

    ``largest_sum``: what no sum can exceed; None with ``terms``.
    """

    name: str
    operator: str
    terms: int | None
    largest_sum: int | None

    @property
    def note(self) -> str:
        """What a user should know of the sums; empty where there is nothing."""
        if self.largest_sum is not None and self.largest_sum <= EXACT_SUM:
            return ""
        return NOT_CERTAIN


@dataclass(frozen=True)
class CompileResult:
    """What compiling did, in the order of the graph.

    Packed layers, products of activations in integers, what was left alone, with the reason, and for weights that
    were rounded by the layers' outputs what that did.
    """

    layers: tuple[CompiledLayer, ...]
    left_alone: LeftAlone
    source_bytes: int
    target_bytes: int
    products: tuple[CompiledProduct, ...] = ()
    rounded: tuple[RoundedLayer, ...] = ()
    not_run: str = ""
    """Why the packed model could not be run here before it was written; empty where it was."""

    def as_text(self) -> str:
        """A line for each layer and product, what rounding the weights did, then the sizes of both files."""
        packed = [
            f"{printable(layer.name)}: {layer.operator} {'x'.join(map(str, layer.weight_shape))}, {layer.bits}-bit, "
            f"{_codebooks(layer)}, {_corrections(layer)}{layer.weight_bytes} bytes{layer.note}"
            for layer in self.layers
        ]
        packed += [
            f"{printable(product.name)}: {product.operator}, "
            f"{product.terms or 'an unknown number of'} products in a sum{product.note}"
            for product in self.products
        ]
        left = [f"{printable(name)}: left alone: {reason}" for name, reason in self.left_alone]
        rounded = [*summarize(self.rounded)]
        rounded += [f"not run here: {printable(self.not_run)}"] if self.not_run else []
        return "\n".join([*packed, *left, *rounded, f"{self.source_bytes} bytes -> {self.target_bytes} bytes"])


def _corrections(layer: CompiledLayer) -> str:
    return f"{layer.corrections} correction{'s' * (layer.corrections > 1)}, " if layer.corrections else ""


def _codebooks(layer: CompiledLayer) -> str:
    if not layer.codebooks:
        return "whole numbers"
    return f"{layer.codebooks} codebook{'s' * (layer.codebooks > 1)}"


def _largest_sum(node: ir.Node) -> int | None:
    """What no partial sum of an integer layer can exceed; None for float activations."""
    if node.op_type not in INTEGER_LAYERS:
        return None
    attributes = node.attributes
    shape, group = tuple(attributes["weight_shape"].as_ints()), attributes.get_int("group", 1)
    bits = attributes["bits"].as_int()
    weight = decode_integer_weight(operand(node, INDICES), operand(node, CODEBOOK), bits, shape, group)
    sums = largest_sums(weight, attributes.get_int("x_zero_point", 0), attributes.get_int("x_bits", 8))
    return int(sums.max())


def describe_layer(node: ir.Node) -> CompiledLayer:
    """What there is to say of an operator with a packed weight."""
    indices, codebook = operand(node, INDICES), operand(node, CODEBOOK)
    sparse = sparse_node(node)
    corrections = [] if sparse is None else [operand(sparse, GAPS), operand(sparse, VALUES)]
    return CompiledLayer(
        name=node.name or node.op_type,
        operator=node.op_type,
        weight_shape=tuple(node.attributes["weight_shape"].as_ints()),
        bits=node.attributes["bits"].as_int(),
        codebooks=codebook.shape[0],
        corrections=0 if sparse is None else int(np.count_nonzero(operand(sparse, VALUES))),
        weight_bytes=sum(array.nbytes for array in (indices, codebook, *corrections)),
        largest_sum=_largest_sum(node),
    )


def describe_product(node: ir.Node) -> CompiledProduct:
    """What there is to say of a product of two activations."""
    attributes = node.attributes
    terms = attributes.get_int("k", 0) or None
    origin_a, origin_b = (attributes[name].as_int() for name in ("a_zero_point", "b_zero_point"))
    a_bits = attributes.get_int("a_bits", 8)
    largest = None if terms is None else largest_product_sum(terms, origin_a, origin_b, a_bits)
    return CompiledProduct(node.name or node.op_type, node.op_type, terms, largest)
