"""What the formula of the LC papers counts for a layer: ceil(log2 K) bits a weight, 32 for every other number."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qcompile.packed_model import PackedLayer
from qcompile.stored_operands import Operands

FLOAT_BITS = 32


def distinct_entries(codebook: npt.NDArray[Any]) -> int:
    """The distinct entries of all codebooks, [groups, entries], together: padding repeats one."""
    return sum(len(np.unique(row)) for row in codebook)


def codebook_bits(codebook: npt.NDArray[Any]) -> int:
    """What the distinct entries take: 32 bits as floats, 8 as whole numbers."""
    return distinct_entries(codebook) * codebook.itemsize * 8


def weight_bits(layer: PackedLayer, own: Operands) -> int:
    """What the formula counts for the indices and corrections that are stored with a layer."""
    place_bits = max(1, (layer.weights - 1).bit_length())
    corrections = int(np.count_nonzero(own["values"]))
    return (layer.weights * layer.bits if own["indices"].size else 0) + corrections * (FLOAT_BITS + place_bits)
