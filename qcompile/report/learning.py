"""How learning went, read from the metrics.jsonl of a run: loss, distance to the codebooks, and their entries."""

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcompile.errors import DataError

METRICS = "metrics.jsonl"
ENTRIES_KEPT = 16  # of a codebook: more lines cannot be told apart
Figures = tuple[float | None, ...]


@dataclass(frozen=True)
class LayerPath:
    """A layer's distance ||w - decode|| / ||w||, and entries of its codebook (the means where it has several).

    All by iteration, [iterations] and [iterations, entries]; of a large codebook 16 entries, evenly spread. Where the
    number of entries changed on the way, earlier iterations have none.
    """

    distance: Figures
    entries: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LearningPath:
    """By iteration the training loss, that of the decoded weights, and the distance of all layers together.

    A figure that a line lacks is None. ``layers`` are by the name of the parameter.
    """

    iterations: tuple[int, ...]
    loss: Figures
    decoded_loss: Figures
    distance: Figures
    layers: dict[str, LayerPath]


def read_learning(run: str | pathlib.Path) -> LearningPath:
    """The path of the learning in the folder ``run``. Raises DataError if it holds none."""
    path = pathlib.Path(run) / METRICS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no metrics of a run ({error}); name a folder that `qcompile learn` wrote") from error
    learning = [each for each in records if isinstance(each, dict) and each.get("stage") == "learning"]
    numbered = [each for each in learning if isinstance(each.get("iteration"), int)]
    if not numbered:
        raise DataError(f"{path}: no line of the stage learning: this run has not learned codebooks yet")
    return LearningPath(
        iterations=tuple(each["iteration"] for each in numbered),
        loss=tuple(_figure(each, "loss") for each in numbered),
        decoded_loss=tuple(_figure(each.get("decoded"), "train_loss") for each in numbered),
        distance=tuple(_figure(each, "distance") for each in numbered),
        layers={name: _layer(name, numbered) for name in _table(numbered[-1].get("layers"))},
    )


def _layer(name: str, records: Sequence[Mapping[str, Any]]) -> LayerPath:
    rows = [_table(_table(each.get("layers")).get(name)) for each in records]
    last = _numbers(rows[-1].get("entries"))
    drawn = _spread(len(last))
    entries = [_numbers(row.get("entries")) for row in rows]
    kept = [tuple(each[place] for place in drawn) if len(each) == len(last) else () for each in entries]
    return LayerPath(tuple(_figure(row, "distance") for row in rows), tuple(kept))


def _spread(count: int) -> list[int]:
    """All of a small codebook, evenly many of a large one, the first and last included."""
    drawn = min(count, ENTRIES_KEPT)
    return [index * (count - 1) // max(1, drawn - 1) for index in range(drawn)]


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _numbers(value: object) -> list[float]:
    found = value if isinstance(value, list) else []
    return [float(each) for each in found] if all(isinstance(each, int | float) for each in found) else []


def _figure(record: object, key: str) -> float | None:
    value = _table(record).get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
