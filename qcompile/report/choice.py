"""Who chose the bits of a layer: a search, or the recipe that it was learned by."""

from collections.abc import Mapping
from typing import Any

from qcompile.packed_model import PackedLayer
from qcompile.report.front import ReadPlan


def choice_of(layer: PackedLayer, plan: Mapping[str, Any] | None, chosen: ReadPlan | None) -> str | None:
    """In words, who chose the bits of ``layer``; None where nothing tells.

    ``plan`` is what learning embedded in the file, ``chosen`` the plan of bits that it was compiled by.
    """
    if chosen is not None and layer.name in chosen.bits:
        return f"searched for {chosen.target}" if chosen.target else f"plan {chosen.name}"
    row = _row(layer.name, plan)
    if row is None:
        return None
    method, codebook = row.get("method"), row.get("codebook")
    words = [word for word in (method, codebook) if isinstance(word, str)]
    return f"learned: {', '.join(words)}" if words else None


def _row(name: str, plan: Mapping[str, Any] | None) -> dict[str, Any] | None:
    layers = None if plan is None else plan.get("layers")
    rows = [row for row in layers if isinstance(row, dict)] if isinstance(layers, list) else []
    return next((row for row in rows if row.get("name") == name), None)
