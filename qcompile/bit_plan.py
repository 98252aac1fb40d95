"""How many bits each layer has: what a search chooses, a person may edit, and compiling follows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcompile.errors import DataError

SCHEMA_VERSION = 1
MOST_BITS = 8


@dataclass(frozen=True, order=True)
class LayerBits:
    """The bits of a layer's weight and of the activations that it reads, each 1 to 8. Raises DataError otherwise."""

    weight: int
    activation: int

    def __post_init__(self) -> None:
        for name, bits in (("weight", self.weight), ("activation", self.activation)):
            if not isinstance(bits, int) or isinstance(bits, bool) or not 1 <= bits <= MOST_BITS:
                raise DataError(f"{name} bits are {bits!r}, wanted a whole number from 1 to {MOST_BITS}")


BitPlan = Mapping[str, LayerBits]  # by layer name, in the network's order


def nearest_width(candidates: Sequence[int], bits: int) -> int:
    """The largest of ``candidates``, ascending, that is not above ``bits``; the smallest where all are."""
    return max((found for found in candidates if found <= bits), default=candidates[0])


def write_plan(plan: BitPlan, notes: Mapping[str, Any]) -> str:
    """``plan`` as JSON for people: a line a layer. ``notes``, its costs and its score, are kept and never read."""
    layers = ",\n".join(
        f'    {json.dumps(name)}: {{"weight": {bits.weight}, "activation": {bits.activation}}}'
        for name, bits in plan.items()
    )
    head = json.dumps({"bit_plan": SCHEMA_VERSION, "notes": dict(notes)}, indent=2)
    return head.removesuffix("\n}") + f',\n  "layers": {{\n{layers}\n  }}\n}}\n'


def read_plan(text: str, where: str) -> dict[str, LayerBits]:
    """The plan in ``text``; ``where``, the file's name, begins each error.

    Raises DataError for what is no plan, another version, an unknown key, or bits out of range.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where}: no JSON ({error})") from error
    if not isinstance(found, dict) or found.get("bit_plan") != SCHEMA_VERSION:
        version = found.get("bit_plan") if isinstance(found, dict) else None
        raise DataError(f'{where}: "bit_plan" is {version!r}, wanted {SCHEMA_VERSION}: is this a plan of qcompile?')
    layers = found.get("layers")
    if not isinstance(layers, dict) or not layers:
        raise DataError(f'{where}: "layers" is missing or empty')
    return {name: _read_layer(bits, f"{where}: layers, {name}") for name, bits in layers.items()}


def _read_layer(bits: object, where: str) -> LayerBits:
    if not isinstance(bits, dict) or set(bits) != {"weight", "activation"}:
        raise DataError(f'{where}: {json.dumps(bits)}, wanted {{"weight": 1 to 8, "activation": 1 to 8}}')
    try:
        return LayerBits(**bits)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
