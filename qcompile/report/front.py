"""The plans that a search found, as trades between bytes and loss, and the one that a file was compiled by."""

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcompile.bit_plan import BitPlan, read_plan
from qcompile.errors import DataError
from qcompile.packed_model import PackedLayer
from qcompile.search import pareto_front

LOSS, CHANGED = "loss", "samples predicted otherwise"


@dataclass(frozen=True)
class PlanPoint:
    """A plan: the bytes of its layers in a packed file, and its figure, less is better. ``name`` is its file's."""

    name: str
    packed_bytes: int
    figure: float
    on_front: bool
    chosen: bool


@dataclass(frozen=True)
class Front:
    """``points`` by bytes, ascending; ``figure`` says what theirs means. ``chosen`` is the plan of the file, if any."""

    figure: str
    points: tuple[PlanPoint, ...]
    chosen: str | None
    target: str | None


@dataclass(frozen=True)
class ReadPlan:
    """A plan's file: its bits, and the notes that a search left in it."""

    name: str
    bits: BitPlan
    notes: Mapping[str, Any]

    @property
    def target(self) -> str | None:
        """The budget that it was searched for, as text."""
        text = self.notes.get("budget", self.notes.get("target"))
        return text if isinstance(text, str) else None

    def sensitivity(self, layer: str, bits: int) -> float | None:
        """What rounding ``layer`` alone to ``bits`` does to the outputs; None where the notes do not tell."""
        by_layer = self.notes.get("change_of_outputs_by_bits")
        by_bits = by_layer.get(layer) if isinstance(by_layer, dict) else None
        return _number(by_bits.get(str(bits))) if isinstance(by_bits, dict) else None


def read_plans(path: str | pathlib.Path) -> list[ReadPlan]:
    """The plans in the folder ``path``, by name, or the one in the file ``path``.

    Raises DataError if there is none, or one is no plan.
    """
    path = pathlib.Path(path)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: holds no plan (*.json); name the folder that `qcompile search` wrote")
    return [_read(file) for file in files]


def chosen_plan(plans: Sequence[ReadPlan], layers: Sequence[PackedLayer]) -> ReadPlan | None:
    """The plan all of whose layers are among ``layers``, by name, and have its bits; None if there is none."""
    found = {layer.name: layer.bits for layer in layers}
    same = (plan for plan in plans if all(found.get(name) == bits.weight for name, bits in plan.bits.items()))
    return next(same, None)


def make_front(plans: Sequence[ReadPlan], chosen: ReadPlan | None) -> Front | None:
    """The trades of ``plans``, and of those that were tried on the way; None where nothing was tried.

    Figures of two kinds cannot be compared: losses are shown where there are any.
    """
    losses = [(plan.name, *found, plan is chosen) for plan in plans if (found := _loss(plan))]
    rows = losses or [row for plan in plans for row in _tried(plan)]
    if not rows:
        return None
    rows.sort(key=lambda row: (row[1], row[2]))
    best = set(pareto_front([(size, figure) for _, size, figure, _ in rows]))
    points = tuple(PlanPoint(name, size, fig, at in best, own) for at, (name, size, fig, own) in enumerate(rows))
    kind, name = LOSS if losses else CHANGED, None if chosen is None else chosen.name
    return Front(kind, points, name, None if chosen is None else chosen.target)


def _read(path: pathlib.Path) -> ReadPlan:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no readable text ({error})") from error
    bits = read_plan(text, str(path))
    notes = json.loads(text).get("notes")
    return ReadPlan(path.name, bits, notes if isinstance(notes, dict) else {})


def _loss(plan: ReadPlan) -> tuple[int, float] | None:
    costs = plan.notes.get("costs")
    size, loss = (
        _number(costs.get("packed_bytes") if isinstance(costs, dict) else None),
        _number(plan.notes.get("loss")),
    )
    return None if size is None or loss is None else (int(size), loss)


def _tried(plan: ReadPlan) -> list[tuple[str, int, float, bool]]:
    """The plans that were compiled on the way to ``plan``; the last one is it."""
    found = []
    tried = plan.notes.get("tried")
    for number, each in enumerate(tried if isinstance(tried, list) else [], 1):
        size = _number(each.get("packed_bytes") if isinstance(each, dict) else None)
        figure = _number(each.get("predicted_otherwise") if isinstance(each, dict) else None)
        if size is not None and figure is not None:
            found.append((f"{plan.name}, trial {number}", int(size), figure, False))
    return found


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]
