"""Which values a layer's weights have: the codebook, how often each entry is used, and the float weights around it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcompile.packed_model import PackedLayer
from qcompile.weight_error import ComparedWeight

BINS = 64
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WeightValues:
    """``entries``, ascending, and how many weights use each, in ``uses``.

    ``low`` to ``high`` is cut into ``len(counts)`` bins of one width; ``counts`` says how many float weights, in the
    units of the entries, lie in each: none where no float model was given or it has not this weight. Where a channel
    has a scale, the entries are what is multiplied by it. Where channels have codebooks of their own (``groups`` of
    them), the entries are the means over these, and ``counts`` is empty.
    """

    entries: tuple[float, ...]
    uses: tuple[int, ...]
    low: float
    high: float
    counts: tuple[int, ...]
    scaled: bool
    groups: int


def weight_values(layer: PackedLayer, compared: ComparedWeight | None) -> WeightValues:
    """The values of ``layer``, beside the float weights that ``compared`` holds."""
    decoded = layer.decode().astype(np.float64)
    codebook = _codebook(layer)
    uses = _uses(decoded, codebook)
    entries = codebook.mean(axis=0)
    floats = _in_units(layer, compared) if compared is not None and len(codebook) == 1 else np.zeros(0)
    low, high = _range(np.concatenate([entries, floats]))
    counts = np.histogram(floats, BINS, (low, high))[0] if floats.size else np.zeros(0, np.int64)
    kept = [place for place in range(len(entries)) if uses[place] or place == 0 or entries[place] > entries[place - 1]]
    return WeightValues(
        entries=tuple(float(f"{entries[place]:.7g}") for place in kept),  # all digits that float32 has
        uses=tuple(int(uses[place]) for place in kept),
        low=low,
        high=high,
        counts=tuple(map(int, counts)),
        scaled=bool(layer.scale.size) or layer.is_integer,
        groups=len(codebook),
    )


def _codebook(layer: PackedLayer) -> Floats:
    """The codebooks, [groups, entries]; whole numbers where there is none."""
    if layer.codebook.size:
        return layer.codebook.astype(np.float64)
    half = 2 ** (layer.bits - 1)
    return np.arange(-half, half, dtype=np.float64)[np.newaxis]


def _uses(decoded: npt.NDArray[Any], codebook: Floats) -> npt.NDArray[np.int64]:
    """How many weights have each entry; of equal entries the first counts."""
    rows = decoded.reshape(len(codebook), -1)
    places = [np.searchsorted(own, row) for own, row in zip(codebook, rows, strict=True)]
    return np.bincount(np.concatenate(places), minlength=codebook.shape[1])


def _in_units(layer: PackedLayer, compared: ComparedWeight) -> Floats:
    """The float weights over the factor of their channel; a channel of factor zero is left out."""
    factor = layer.channel_factors() * compared.gains
    rows = compared.wanted.reshape(len(factor), -1) - layer.row_offsets()[:, np.newaxis] * compared.gains[:, np.newaxis]
    known = factor != 0
    units: Floats = (rows[known] / factor[known, np.newaxis]).reshape(-1)
    return units[np.isfinite(units)]


def _range(values: Floats) -> tuple[float, float]:
    """The lowest and the highest, apart by more than nothing."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)
