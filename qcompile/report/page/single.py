"""The page of one packed file."""

from qcompile.drawing import Markup, element, shown_name
from qcompile.report.order import worst_first
from qcompile.report.page.details import layer_details
from qcompile.report.page.layers_table import layers_table, rows_of
from qcompile.report.page.learning_pictures import learning_section
from qcompile.report.page.parts import footer, plain_table, whole_page
from qcompile.report.page.pictures import pictures
from qcompile.report.page.search_pictures import front_section
from qcompile.report.page.totals import key_figures_list
from qcompile.report.page.words import decibel_text, file_name, shape_text
from qcompile.report.result import Report

NAMED_FIRST = 3


def report_page(report: Report) -> str:
    """The page of ``report``, a whole HTML file that loads nothing."""
    name = shown_name(file_name(report.path))
    body = [
        element("header", {}, element("h1", {}, name), element("p", {}, _about(report))),
        element(
            "main",
            {},
            *_look_first(report),
            key_figures_list(report),
            pictures(report),
            layers_table(report),
            *_kept_float(report),
            *([] if report.front is None else [front_section(report.front)]),
            *([] if report.learning is None else [learning_section(report.learning)]),
            layer_details(rows_of(report)),
        ),
        footer(report.machine, _versions(report)),
    ]
    return whole_page(f"{name}: report", body)


def _about(report: Report) -> str:
    plan = report.plan or {}
    known = [plan[key] for key in ("network", "data") if isinstance(plan.get(key), str)]
    choices = {layer.choice for layer in report.layers}
    known += [choice for choice in choices if choice is not None and len(choices) == 1]
    words = [f"{len(report.layers)} packed layers, {report.weights:,} weights", *map(shown_name, known)]
    return ", ".join(words)


def _look_first(report: Report) -> list[Markup]:
    """The layers that lose most, in a sentence; nothing where no loss was measured."""
    worst = worst_first(report)[:NAMED_FIRST]
    measured = [
        (layer, layer.local_sqnr_db if layer.local_sqnr_db is not None else layer.weight_sqnr_db) for layer in worst
    ]
    said = [
        f"{shown_name(layer.name)} ({decibel_text(value)} at {layer.bits} bit{'s' * (layer.bits > 1)})"
        for layer, value in measured
        if value is not None
    ]
    if not said:
        return []
    where = "in what they give" if worst[0].local_sqnr_db is not None else "in their weights"
    return [element("p", {"class": "first"}, f"Layers that lose most {where}: {', '.join(said)}.")]


def _kept_float(report: Report) -> list[Markup]:
    if not report.kept_float:
        return []
    rows = [
        [shown_name(kept.name), shown_name(kept.op), shape_text(kept.weight_shape), f"{kept.bytes:,}"]
        for kept in report.kept_float
    ]
    title = element("h2", {}, "Left as floats")
    return [title, plain_table("Weights left as floats", ["Read by", "Operator", "Shape", "Bytes"], rows, texts=3)]


def _versions(report: Report) -> str:
    version = report.metadata.get("qcompile.version")
    return "" if version is None else f"Compiled by qcompile {shown_name(version)}."
