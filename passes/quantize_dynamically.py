"""qcompile.CodebookMatMul(x, ...)  ->  qcompile.IntegerMatMulDynamic(x, ...): rows of x become codes as they come.

Weights become whole numbers, as for the other integer operators. No sample inputs are needed: each row of x has a range
of its own, found when it is there. Which layers of a float model are to be such is said here too, with the reason where
one is not.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.integer_ops import INTEGER_MATMUL_DYNAMIC, MAX_TERMS
from qcompile.ops import CODEBOOK_MATMUL, DOMAIN
from qcompile.passes._chosen import stays_float
from qcompile.passes._integer_weight import read_integer_weight
from qcompile.passes._layer import read_bias
from qcompile.passes._match import LeftAloneError, constant, find_source, is_standard
from qcompile.passes._operands import drop_unused, fused_nodes, graph_of, initializer, register
from qcompile.passes.fuse_codebook_matmul import bias_shapes
from qcompile.tiles import pack_tiles


class QuantizeDynamically(ir.passes.InPlacePass):
    """Makes the rows of matrix products codes of ``bits`` bits.

    Requires: fused operators with plain indices.
    Ensures: no CodebookMatMul is left that could be replaced.
    Leaves alone: convolutions; a sum of more products than fit int32.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Replaces each CodebookMatMul that fits."""
        nodes = [node for node in fused_nodes(model) if node.op_type == CODEBOOK_MATMUL and _terms(node) <= MAX_TERMS]
        for node in nodes:
            _replace(node, self._bits)
        return ir.passes.PassResult(model, modified=bool(nodes))


def becomes_dynamic(node: ir.Node) -> bool:
    """Whether ``node`` is a MatMul or Gemm with a float weight that QuantizeDynamically can take, once it is fused."""
    return is_standard(node, "MatMul", "Gemm") and constant(node.inputs[1]) is not None and not _reason(node)


def list_left_float(model: ir.Model) -> list[tuple[str, str]]:
    """The layers with a constant weight, no codebook, whose activations stayed floats: name and reason."""
    found = []
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        reason = _reason_left_float(model, node)
        if reason:
            found.append((node.name or node.outputs[0].name or node.op_type, reason))
    return found


def _reason_left_float(model: ir.Model, node: ir.Node) -> str:
    if node.op_type == CODEBOOK_MATMUL and node.domain == DOMAIN:
        return _too_many(_terms(node))
    is_layer = is_standard(node, "MatMul", "Gemm", "Conv", "ConvTranspose") and not stays_float(node)
    if not is_layer or all(constant(value) is None for value in node.inputs[:2]):
        return ""
    if node.graph is not model.graph:
        return "it is inside a subgraph"
    if node.op_type.startswith("Conv"):
        return "only MatMul and Gemm become integers without sample inputs"
    return _reason(node)


def _reason(node: ir.Node) -> str:
    """Why a MatMul or Gemm with a constant stays as it is; empty where it need not."""
    weight = constant(node.inputs[1])
    if weight is None or find_source(node.inputs[1]) is not None:
        return "its constant is the left operand"
    if weight.dtype != np.float32 or weight.ndim != 2 or not weight.size:
        return f"its weight is {weight.dtype} {list(weight.shape)}, not a float32 matrix"
    if not np.isfinite(weight).all():
        return "its weight has a value that is not finite"
    if node.attributes.get_int("transA", 0):
        return "transA is 1"
    by_row = bool(node.attributes.get_int("transB", 0))
    outputs, terms = weight.shape if by_row else weight.shape[::-1]
    try:
        read_bias(node.inputs[2] if len(node.inputs) == 3 else None, outputs, bias_shapes(outputs))
    except LeftAloneError as reason:
        return str(reason)
    return _too_many(terms)


def _too_many(terms: int) -> str:
    return "" if terms <= MAX_TERMS else f"{terms} products in a sum, at most {MAX_TERMS} fit int32"


def _terms(node: ir.Node) -> int:
    return int(node.attributes["weight_shape"].as_ints()[1])


def _replace(node: ir.Node, bits: int) -> None:
    """Puts the integer operator in the place of ``node``."""
    graph, name, old, weight = graph_of(node), str(node.name), list(node.inputs), read_integer_weight(node)
    arrays: dict[str, npt.NDArray[Any]] = {
        "weight.indices": pack_tiles(weight.indices, 1, weight.bits),
        "weight.codebook": weight.codebook,
        "weight.scale": weight.step.astype(np.float32),
        "bias": weight.bias.astype(np.float32),
    }
    operands = {suffix: initializer(array) for suffix, array in arrays.items()}
    attributes: dict[str, int | tuple[int, ...]] = {"bits": weight.bits, "weight_shape": weight.indices.shape}
    if bits != 8:
        attributes["x_bits"] = bits
    new = ir.node(INTEGER_MATMUL_DYNAMIC, [old[0], *operands.values()], attributes, domain=DOMAIN, name=name)
    ir.convenience.replace_nodes_and_values(graph, node, [node], [new], node.outputs, new.outputs)
    for value in old:
        drop_unused(value)  # first: then their names are free
    for suffix, value in operands.items():
        register(graph, value, f"{name}.{suffix}")
