"""monitors.html: how learning went, drawn from the lines of metrics.jsonl."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from html import escape
from operator import itemgetter
from typing import Any

from qcompile.frontend.chart import Chart, Points

_ENTRIES_DRAWN = 16  # of a codebook: more lines cannot be told apart
_STYLE = "body{font-family:sans-serif;margin:1em}svg{margin:.5em;border:1px solid #ddd}p{color:#b00020}"

Record = Mapping[str, Any]


def draw_monitors(title: str, records: Sequence[Record], advice: Sequence[str] = ()) -> str:
    """A whole HTML page without scripts: ``records`` are the lines of the stage "learning", in order.

    Loss and decoded loss, distance, share of indices changed, and for each layer its codebook, against iterations.
    ``advice`` is shown at its head.
    """
    charts = [
        *_overall(records),
        *(_codebook(name, records) for name in (records[-1].get("layers", ()) if records else ())),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(text)}</p>" for text in advice)]
    return "\n".join([head, *body, *(chart.as_svg() for chart in charts), "</html>\n"])


def _overall(records: Sequence[Record]) -> list[Chart]:
    losses = {
        "training loss": _points(records, lambda record: record["loss"]),
        "loss of the decoded weights": _points(
            records, lambda record: record["decoded"] and record["decoded"]["train_loss"]
        ),
    }
    return [
        Chart("Loss", losses, logarithmic=True),
        Chart("Distance ||w - decode|| / ||w||", _by_layer(records, "distance"), logarithmic=True),
        Chart("Share of indices changed", _by_layer(records, "changed")),
        Chart("Penalty and learning rate", _settings(records), logarithmic=True),
    ]


def _settings(records: Sequence[Record]) -> dict[str, Points]:
    return {
        "penalty": _points(records, lambda record: record["penalty"]),
        "learning rate": _points(records, lambda record: record["learning_rate"]),
    }


def _by_layer(records: Sequence[Record], key: str) -> dict[str, Points]:
    lines = {"all layers": _points(records, lambda record: record[key])}
    names = records[-1].get("layers", ()) if records else ()
    return lines | {name: _of_layer(records, name, itemgetter(key)) for name in names}


def _of_layer(records: Sequence[Record], name: str, figure: Callable[[Record], float]) -> Points:
    return _points(records, lambda record: figure(record["layers"][name]))


def _codebook(name: str, records: Sequence[Record]) -> Chart:
    last = records[-1]["layers"][name]
    drawn = _spread(len(last["entries"]))
    kind = "codebook" if last["lowest"] is None else "mean of the codebooks"
    some = "" if len(drawn) == len(last["entries"]) else f", {len(drawn)} of {len(last['entries'])} entries"
    lines = {f"entry {entry}": _entry(records, name, entry) for entry in drawn}
    return Chart(f"{name}: {kind}, {last['bits']} bits{some}", lines)


def _entry(records: Sequence[Record], name: str, entry: int) -> Points:
    return _of_layer(records, name, lambda layer: layer["entries"][entry])


def _spread(count: int) -> list[int]:
    """The entries that are drawn: all of a small codebook, evenly many of a large one, the first and last included."""
    drawn = min(count, _ENTRIES_DRAWN)
    return [index * (count - 1) // max(1, drawn - 1) for index in range(drawn)]


def _points(records: Sequence[Record], figure: Callable[[Record], float | None]) -> Points:
    """(iteration, figure); what a record lacks, or was written by an older version without, is left out."""
    points = []
    for record in records:
        with suppress(LookupError):
            value = figure(record)
            if value is not None:
                points.append((float(record["iteration"]), value))
    return points
