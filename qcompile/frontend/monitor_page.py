"""monitors.html: how learning went, drawn from the lines of metrics.jsonl."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

from qcompile.drawing import Markup, Points, document, draw_lines, drawing_style, element, shown_name

_ENTRIES_DRAWN = 16  # of a codebook: more lines cannot be told apart
_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 77rem; margin: 0 auto; padding: 1rem 1.5rem;
  background: var(--paper); color: var(--ink); }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 2rem 2.5rem; }
.advice { border-left: 3px solid var(--series-1); padding-left: 0.875rem; }
"""
_ENDS_TOLD = 8  # lines, in words
_X_LABEL = "iteration"

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
    told = [element("p", {"class": "advice"}, text) for text in advice]
    body = [element("h1", {}, shown_name(title)), *told, element("main", {}, *charts)]
    return document(title, drawing_style() + _STYLE, body)


def _overall(records: Sequence[Record]) -> list[Markup]:
    losses = {
        "training loss": _points(records, lambda record: record["loss"]),
        "loss of the decoded weights": _points(
            records, lambda record: record["decoded"] and record["decoded"]["train_loss"]
        ),
    }
    return [
        _chart("Loss", losses, logarithmic=True),
        _chart("Distance ||w - decode|| / ||w||", _by_layer(records, "distance"), logarithmic=True),
        _chart("Share of indices changed", _by_layer(records, "changed")),
        _chart("Penalty and learning rate", _settings(records), logarithmic=True),
    ]


def _chart(title: str, lines: Mapping[str, Points], *, logarithmic: bool = False) -> Markup:
    ends = [f"{shown_name(name)} {points[-1][1]:.4g}" for name, points in lines.items() if points]
    described = f"At the last iteration: {', '.join(ends[:_ENDS_TOLD]) or 'nothing yet'}."
    named = {shown_name(name): points for name, points in lines.items()}
    return draw_lines(title, described, named, x_label=_X_LABEL, logarithmic=logarithmic)


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


def _codebook(name: str, records: Sequence[Record]) -> Markup:
    last = records[-1]["layers"][name]
    drawn = _spread(len(last["entries"]))
    kind = "codebook" if last["lowest"] is None else "mean of the codebooks"
    some = "" if len(drawn) == len(last["entries"]) else f", {len(drawn)} of {len(last['entries'])} entries"
    lines = {f"entry {entry}": _entry(records, name, entry) for entry in drawn}
    return _chart(f"{shown_name(name)}: {kind}, {last['bits']} bits{some}", lines)


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
