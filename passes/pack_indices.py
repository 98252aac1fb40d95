"""indices of 8 bits, codebook [groups, 256]  ->  indices of b bits, codebook [groups, 2^b].

b is the least that tells the distinct entries of every group apart, at least 1. Codebooks are sorted on the way, and
indices follow their entries, so the weight is the same float for float.
"""

import numpy as np
import onnx_ir as ir

from qcompile.ops import Bytes, Floats
from qcompile.packing import pack_bits
from qcompile.passes._fuse import PLAIN_BITS
from qcompile.passes._operands import CODEBOOK, INDICES, coded_nodes, initializer, operand


class PackIndices(ir.passes.InPlacePass):
    """Packs the plain indices of fused operators at the width that their codebooks need.

    Requires: the operands of fused operators are initializers.
    Ensures: no codebook decreases along a row, and none has more entries than its width needs.
    Leaves alone: what is packed already.
    """

    def requires(self, model: ir.Model) -> None:
        """Raises PreconditionError if an operand is computed."""
        for node in coded_nodes(model):
            for value in node.inputs[1:]:
                if value is None or not value.is_initializer():
                    raise ir.passes.PreconditionError(f"{node.name}: an operand is not an initializer")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Packs each weight once, however many operators share it."""
        readers: dict[tuple[ir.Value | None, ir.Value | None], list[ir.Node]] = {}
        for node in coded_nodes(model):
            if node.attributes["bits"].as_int() == PLAIN_BITS and not _is_packed(node):
                readers.setdefault((node.inputs[INDICES], node.inputs[CODEBOOK]), []).append(node)
        for nodes in readers.values():
            _pack(nodes)
        return ir.passes.PassResult(model, modified=bool(readers))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a weight could take fewer bits, or is not sorted."""
        for node in coded_nodes(model):
            if not _is_packed(node):
                raise ir.passes.PostconditionError(f"{node.name}: the weight was not packed")


def narrow(indices: Bytes, codebook: Floats) -> tuple[Bytes, Floats]:
    """The same weight with sorted codebooks of as few entries as tell all groups' values apart: a power of two.

    ``indices`` is uint8 [groups, any], ``codebook`` [groups, K]. A group with fewer values repeats its largest.
    """
    rows = [np.unique(row, return_inverse=True) for row in codebook]
    width = 2 ** _index_bits(max(len(values) for values, _ in rows))
    sorted_codebook = np.stack([np.pad(values, (0, width - len(values)), mode="edge") for values, _ in rows])
    new_places = np.stack([places for _, places in rows]).astype(np.uint8)
    return np.take_along_axis(new_places, indices.astype(np.intp), axis=1), sorted_codebook


def _pack(nodes: list[ir.Node]) -> None:
    """Packs the one weight that ``nodes`` share."""
    codebook = operand(nodes[0], CODEBOOK)
    indices, narrowed = narrow(operand(nodes[0], INDICES).reshape(len(codebook), -1), codebook)
    bits = _index_bits(narrowed.shape[1])
    _replace(nodes[0].inputs[INDICES], pack_bits(indices, bits))
    _replace(nodes[0].inputs[CODEBOOK], narrowed)
    for node in nodes:
        node.attributes["bits"] = ir.AttrInt64("bits", bits)


def _replace(value: ir.Value | None, array: Bytes | Floats) -> None:
    """Gives the initializer ``value`` other contents."""
    new = initializer(array)
    assert value is not None
    value.const_value, value.shape, value.type = new.const_value, new.shape, new.type


def _is_packed(node: ir.Node) -> bool:
    """Whether the codebook of ``node`` is sorted and as narrow as it can be."""
    codebook, bits = operand(node, CODEBOOK), node.attributes["bits"].as_int()
    most = max(len(np.unique(row)) for row in codebook)
    return bits == _index_bits(most) and codebook.shape[1] == 2**bits and bool((np.diff(codebook, axis=1) >= 0).all())


def _index_bits(entries: int) -> int:
    """Bits that tell ``entries`` values apart, at least 1."""
    return max(1, (entries - 1).bit_length())
