"""What the codes of a packed file stand for: the tensor of the source model, scale, zero point, and order of the axes.

Nothing is computed with it: `qcompile debug` compares codes with the tensors of the model that was compiled.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from qcompile.errors import ModelError

PLACES_KEY = "qcompile.places"
CHANNELS_LAST = "last"


@dataclass(frozen=True)
class CodePlace:
    """Codes of ``tensor``: the number is (code - zero_point) * scale.

    ``channels_last``: the codes have the channels as their last axis, the tensor as its second. ``flattened``: the last
    axis of the codes counts through these sizes, (*spatial, channels), that of the tensor through (channels, *spatial).
    """

    tensor: str
    scale: float
    zero_point: int
    channels_last: bool = False
    flattened: tuple[int, ...] = ()


def write_places(places: Mapping[str, CodePlace]) -> str:
    """``places`` by the name of the codes, as short JSON text: [tensor, scale, zero point, layout where it differs]."""
    return json.dumps({name: _row(place) for name, place in places.items()}, separators=(",", ":"))


def read_places(model: onnx.ModelProto) -> dict[str, CodePlace]:
    """What the codes of ``model`` stand for, by their name; nothing where the file does not say.

    Raises ModelError if it says something else than ``write_places`` writes.
    """
    return parse_places(next((entry.value for entry in model.metadata_props if entry.key == PLACES_KEY), "{}"))


def parse_places(text: str) -> dict[str, CodePlace]:
    """What ``write_places`` wrote. Raises ModelError for any other text."""
    try:
        return {name: _place(*row) for name, row in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"metadata {PLACES_KEY} is not what compiling writes ({error}); compile again") from error


def _row(place: CodePlace) -> list[Any]:
    scale = float(str(np.float32(place.scale)))  # the shortest text of that float32
    row: list[Any] = [place.tensor, scale, place.zero_point]
    if place.channels_last:
        return [*row, CHANNELS_LAST]
    return [*row, list(place.flattened)] if place.flattened else row


def _place(tensor: str, scale: float, zero_point: int, layout: object = ()) -> CodePlace:
    is_number = isinstance(scale, int | float) and math.isfinite(scale) and scale > 0
    if not isinstance(tensor, str) or not is_number or not isinstance(zero_point, int):
        raise ValueError(f"{tensor!r}, {scale!r}, {zero_point!r}")
    step = float(np.float32(scale))
    if layout == CHANNELS_LAST:
        return CodePlace(tensor, step, zero_point, channels_last=True)
    if not isinstance(layout, list | tuple) or not all(isinstance(size, int) and size > 0 for size in layout):
        raise ValueError(f"layout {layout!r}")
    return CodePlace(tensor, step, zero_point, flattened=tuple(layout))
