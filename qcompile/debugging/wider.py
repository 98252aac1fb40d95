"""What more bits of weight would cost a layer, in bytes of the file."""

from dataclasses import dataclass

import onnx

from qcompile.packed_model import PackedLayer
from qcompile.tiles import tiled_size

WIDEST = 8
CODEBOOK_ENTRY_BYTES = 4


@dataclass(frozen=True)
class Wider:
    """With ``bits`` bits of weight the layer would take ``more_bytes`` bytes more, where it shares no tensor."""

    bits: int
    more_bytes: int


def wider_weights(layer: PackedLayer) -> tuple[Wider, ...]:
    """The cost of each width above that of ``layer``, 8 bits at most: of indices, and of a full codebook's entries."""
    now = layer.indices.nbytes + layer.codebook.nbytes
    return tuple(Wider(bits, _stored_bytes(layer, bits) - now) for bits in range(layer.bits + 1, WIDEST + 1))


def _stored_bytes(layer: PackedLayer, bits: int) -> int:
    """Bytes of indices and codebook at ``bits`` bits (docs/packed-format.md, sections 2 and 7)."""
    groups: int = layer.codebook.shape[0] if layer.codebook.size else 0
    entries = groups << bits
    if layer.is_integer:
        return tiled_size(layer.weight_shape, _group(layer.node), bits) + entries
    return -(-layer.weights * bits // 8) + entries * CODEBOOK_ENTRY_BYTES


def _group(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)
