"""Which tensor of the source model codes stand for, noted while the graph still has it."""

from collections.abc import Mapping

import onnx_ir as ir

from qcompile.passes._codes import Codes
from qcompile.places import PLACES_KEY, CodePlace, parse_places, write_places

ROUNDING_KEY = "qcompile.rounding"  # on a Clip that is part of the rounding to fewer than 8 bits


def mark_as_rounding(node: ir.Node) -> None:
    """Notes that the Clip ``node`` belongs to the rounding behind it: the source model has no such tensor."""
    node.metadata_props[ROUNDING_KEY] = "1"


def is_rounding(node: ir.Node | None) -> bool:
    """Whether ``node`` was marked."""
    return node is not None and ROUNDING_KEY in node.metadata_props


def code_place(value: ir.Value, codes: Codes) -> CodePlace:
    """What ``codes`` mean, which are those of ``value``; rounding is stepped over."""
    node = value.producer()
    while node is not None and is_rounding(node) and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    return CodePlace(str(value.name), codes.scale, codes.zero_point, codes.channels_last, codes.flattened or ())


def note_places(model: ir.Model, places: Mapping[ir.Value, CodePlace]) -> None:
    """Writes ``places`` into the metadata of ``model`` under the names that the codes have now."""
    model.metadata_props[PLACES_KEY] = write_places({str(value.name): place for value, place in places.items()})


def keep_places(model: ir.Model, names: set[str]) -> bool:
    """Drops what the metadata of ``model`` say of other tensors than ``names``; whether there was any."""
    before = model.metadata_props.pop(PLACES_KEY, None)
    if before is None:
        return False
    kept = {name: place for name, place in parse_places(before).items() if name in names}
    if kept:
        model.metadata_props[PLACES_KEY] = write_places(kept)
    return model.metadata_props.get(PLACES_KEY) != before
