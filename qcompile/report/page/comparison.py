"""The page of several packed files side by side; layers are matched by name."""

import pathlib
from collections.abc import Callable, Iterator, Sequence

from qcompile.drawing import Dot, Markup, draw_bars, draw_scatter, element, shown_name
from qcompile.report.page.parts import footer, plain_table, whole_page
from qcompile.report.page.totals import key_figures
from qcompile.report.page.words import NOTHING, bytes_text, decibel_text, time_text
from qcompile.report.result import LayerReport, Report

Reports = Sequence[Report]


def comparison_page(reports: Reports) -> str:
    """The page of ``reports``, at least one, a whole HTML file that loads nothing."""
    names = short_names(reports)
    body = [
        element("header", {}, element("h1", {}, "Side by side"), element("p", {}, ", ".join(names))),
        element("main", {}, _totals(reports, names), _pictures(reports, names), *_layers(reports, names)),
        footer(reports[0].machine, ""),
    ]
    return whole_page(f"{', '.join(names)}: reports", body)


def short_names(reports: Reports) -> list[str]:
    """The files' names, or where these are equal as many of the folders before them as tell them apart."""
    parts = [pathlib.PurePath(report.path).parts for report in reports]
    if len(set(parts)) > 1 and len({own[-1] for own in parts}) == 1:
        parts = [own[:-1] for own in parts]
    for count in range(1, max(map(len, parts)) + 1):
        names = [str(pathlib.PurePath(*own[-count:])) for own in parts]
        if len(set(names)) == len(names):
            break
    return [shown_name(name) for name in names]


def layer_names(reports: Reports) -> list[str]:
    """The names of the layers of all ``reports``, each once, in the order in which they come."""
    return list(dict.fromkeys(layer.name for report in reports for layer in report.layers))


def _totals(reports: Reports, names: Sequence[str]) -> Markup:
    figures = [{figure.name: figure.value for figure in key_figures(report)} for report in reports]
    kinds = list(dict.fromkeys(kind for own in figures for kind in own))
    rows = [[kind, *(own.get(kind, NOTHING) for own in figures)] for kind in kinds]
    return element("section", {}, element("h2", {}, "In all"), plain_table("Totals by file", ["Figure", *names], rows))


def _pictures(reports: Reports, names: Sequence[str]) -> Markup:
    drawn = [*_trades(reports, names), _bits(reports, names)]
    return element("section", {}, element("h2", {}, "Pictures"), element("div", {"class": "pictures"}, *drawn))


def _trades(reports: Reports, names: Sequence[str]) -> Iterator[Markup]:
    """Latency, accuracy and noise of the outputs against bytes, as far as all files have them."""
    for title, figure, told in _TRADES:
        values = [figure(report) for report in reports]
        known = [value for value in values if value is not None]
        if len(known) == len(reports):
            rows = zip(reports, names, known, strict=True)
            dots = [
                Dot(report.file_bytes, value, f"{name}: {bytes_text(report.file_bytes)}, {told(value)}", name, number)
                for number, (report, name, value) in enumerate(rows)
            ]
            described = "; ".join(dot.told for dot in dots)
            yield draw_scatter(title, described, dots, x_label="bytes of the file")


def _latency_ms(report: Report) -> float | None:
    return None if report.timing is None else report.timing.latency_us / 1e3


def _worst_output(report: Report) -> float | None:
    return min(report.outputs_sqnr_db.values(), default=None)


_TRADES: tuple[tuple[str, Callable[[Report], float | None], Callable[[float], str]], ...] = (
    ("Latency in ms against bytes", _latency_ms, lambda value: time_text(1e3 * value)),
    ("Accuracy in percent against bytes", lambda report: report.accuracy_percent, lambda value: f"{value:.2f} %"),
    ("Output SQNR in dB against bytes", _worst_output, decibel_text),
)


def _bits(reports: Reports, names: Sequence[str]) -> Markup:
    known = layer_names(reports)
    found = [_by_name(report) for report in reports]
    series = {
        name: [None if (layer := own.get(each)) is None else layer.bits for each in known]
        for name, own in zip(names, found, strict=True)
    }
    described = "; ".join(
        f"{name}: {report.average_bits:.2f} bits a weight" for name, report in zip(names, reports, strict=True)
    )
    labels = [f"{place} {shown_name(each)}" for place, each in enumerate(known, 1)]
    return draw_bars("Bits of weights", described, labels, series, x_label="layer, as in the table below", unit=" bits")


def _layers(reports: Reports, names: Sequence[str]) -> list[Markup]:
    """For bits, bytes and noise a table each, a column a file."""
    known, found = layer_names(reports), [_by_name(report) for report in reports]
    sections = []
    for title, show in _FIGURES:
        cells = [[show(own[each]) if each in own else NOTHING for own in found] for each in known]
        if any(cell != NOTHING for row in cells for cell in row):
            rows = [
                [f"{at} {shown_name(each)}", *row] for at, (each, row) in enumerate(zip(known, cells, strict=True), 1)
            ]
            sections.append(
                element("section", {}, element("h2", {}, title), plain_table(title, ["Layer", *names], rows))
            )
    return sections


_FIGURES: tuple[tuple[str, Callable[[LayerReport], str]], ...] = (
    ("Bits of weights and inputs", lambda layer: f"{layer.bits} / {layer.activation_bits}"),
    ("Bytes", lambda layer: f"{layer.total_bytes:,}"),
    ("SQNR of weights", lambda layer: decibel_text(layer.weight_sqnr_db)),
    ("SQNR of what the layers give", lambda layer: decibel_text(layer.local_sqnr_db)),
    ("Time", lambda layer: NOTHING if layer.time_us is None else time_text(layer.time_us)),
)


def _by_name(report: Report) -> dict[str, LayerReport]:
    return {layer.name: layer for layer in report.layers}
