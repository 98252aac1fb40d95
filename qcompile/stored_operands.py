"""What each packed layer stores in its file, a tensor that layers share counted once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qcompile.packed_model import PackedLayer

KINDS = ("indices", "codebook", "scale", "bias", "gaps", "values")
Operands = dict[str, npt.NDArray[Any]]


def stored_operands(layers: Sequence[PackedLayer]) -> list[Operands]:
    """For each of ``layers`` its operands by kind; without elements where an earlier layer reads the same tensor."""
    seen: set[str] = set()
    stored = []
    for layer in layers:
        own: Operands = {kind: np.zeros(0, np.float32) for kind in KINDS}
        for kind, (name, array) in layer.operands().items():
            if name not in seen:
                own[kind] = array
            seen.add(name)
        stored.append(own)
    return stored


def bytes_of(own: Operands) -> int:
    """The bytes of all of a layer's operands in the file."""
    return sum(array.nbytes for array in own.values())
