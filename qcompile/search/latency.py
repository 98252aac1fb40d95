"""How long each layer takes at each pair of bits, as it was measured on the machine that matters."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import DataError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds by layer and bits; ``other_ms`` is what the rest of the network takes, whatever the bits are."""

    times_ms: Mapping[str, Mapping[LayerBits, float]]
    other_ms: float = 0.0
    notes: Mapping[str, Any] = field(default_factory=dict)

    def time_ms(self, layer: str, bits: LayerBits) -> float:
        """Milliseconds of ``layer`` at ``bits``. Raises DataError if they were not measured: nothing is guessed."""
        found = self.times_ms.get(layer)
        if found is None:
            known = ", ".join(self.times_ms) or "none"
            raise DataError(f"latency table: no times of layer {layer}; it has {known}. Measure the table again.")
        if bits not in found:
            known = ", ".join(_name(each) for each in sorted(found)) or "none"
            raise DataError(f"latency table: layer {layer} has no time at {_name(bits)}; it has {known}. Measure it.")
        return found[bits]


def latency_ms(table: LatencyTable, plan: BitPlan) -> float:
    """Milliseconds of the whole network at the bits of ``plan``. Raises DataError if a layer's were not measured."""
    return table.other_ms + sum(table.time_ms(layer, bits) for layer, bits in plan.items())


def write_latencies(table: LatencyTable) -> str:
    """``table`` as JSON: a line for each pair of bits of a layer. Notes are kept for people."""
    layers = ",\n".join(f"    {json.dumps(layer)}: [\n{_rows(times)}\n    ]" for layer, times in table.times_ms.items())
    head = {"latency_table": SCHEMA_VERSION, "notes": dict(table.notes), "other_ms": table.other_ms}
    text = json.dumps(head, indent=2, allow_nan=False).removesuffix("\n}")
    return text + f',\n  "layers": {{\n{layers}\n  }}\n}}\n'


def read_latencies(text: str, where: str) -> LatencyTable:
    """The table in ``text``; ``where``, the file's name, begins each error.

    Raises DataError for what is no table, another version, an unknown key, bits out of range or given twice, or a
    time that is no number from zero up.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{where}: no JSON ({error})") from error
    version = found.get("latency_table") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise DataError(
            f'{where}: "latency_table" is {version!r}, wanted {SCHEMA_VERSION}: is this a table of qcompile?'
        )
    if unknown := set(found) - {"latency_table", "notes", "other_ms", "layers"}:
        raise DataError(f"{where}: unknown keys {', '.join(sorted(unknown))}")
    layers, notes = found.get("layers"), found.get("notes", {})
    if not isinstance(layers, dict) or not layers or not isinstance(notes, dict):
        raise DataError(f'{where}: "layers" is missing or empty, or "notes" is no object')
    times = {name: _read_layer(rows, f"{where}: layers, {name}") for name, rows in layers.items()}
    return LatencyTable(times, _milliseconds(found.get("other_ms", 0.0), f"{where}: other_ms"), notes)


def _read_layer(rows: object, where: str) -> dict[LayerBits, float]:
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{where}: wanted a list of times")
    times: dict[LayerBits, float] = {}
    for row in rows:
        if not isinstance(row, dict) or set(row) != {"weight", "activation", "ms"}:
            raise DataError(
                f'{where}: {json.dumps(row)}, wanted {{"weight": 1 to 8, "activation": 1 to 8, "ms": time}}'
            )
        try:
            bits = LayerBits(row["weight"], row["activation"])
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if bits in times:
            raise DataError(f"{where}: {_name(bits)} is given twice")
        times[bits] = _milliseconds(row["ms"], f"{where}: {_name(bits)}")
    return times


def _milliseconds(value: object, where: str) -> float:
    """``value`` as a float; a layer too short for the clock has zero."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    number = float(value) if is_number and isinstance(value, int | float) else math.nan
    if not math.isfinite(number) or number < 0:
        raise DataError(f"{where}: the time is {value!r}, wanted milliseconds")
    return number


def _rows(times: Mapping[LayerBits, float]) -> str:
    return ",\n".join(
        f'      {{"weight": {bits.weight}, "activation": {bits.activation}, "ms": {json.dumps(time, allow_nan=False)}}}'
        for bits, time in times.items()
    )


def _name(bits: LayerBits) -> str:
    return f"weight {bits.weight}, activation {bits.activation} bits"
