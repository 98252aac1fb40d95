"""How many products each packed layer sums up for one sample."""

import math
from collections.abc import Mapping, Sequence

from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.gather_ops import CODEBOOK_GATHER
from qcompile.packed_model import PackedLayer
from qcompile.tensor_shapes import Shape


def multiplies(layer: PackedLayer) -> bool:
    """Whether the layer multiplies by its weight: no embedding, and no weight that is decoded when the file is loaded.

    What the operator behind a decoded weight does is not counted.
    """
    return layer.op not in (CODEBOOK_GATHER, DECODE_WEIGHT)


def layer_multiply_adds(layer: PackedLayer, shapes: Mapping[str, Shape]) -> int | None:
    """Products that are summed up; those with padding count, as they do everywhere.

    ``shapes`` are those of the model's tensors. None where they do not tell, or where the layer does not multiply.
    """
    output = shapes.get(layer.node.output[0])
    if output is None or not multiplies(layer):
        return None
    return math.prod(output) * math.prod(layer.weight_shape[1:])


def total(parts: Sequence[int | None]) -> int | None:
    """The sum of ``parts``; None if one is unknown."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
