"""The pictures of a file: what its layers have along the depth."""

import math
from collections.abc import Sequence

from qcompile.drawing import Markup, draw_bars, draw_lines, element, shown_name
from qcompile.report.page.words import bytes_text, decibel_text, percent_text
from qcompile.report.result import LayerReport, Report

DEPTH = "layer, by its place along the depth"
FEW_BITS, MOST_BITS = 4, 8


def pictures(report: Report) -> Markup:
    """The section with the pictures along the depth; what nobody measured has none."""
    drawn = [_bits(report), _sizes(report), *_noise(report), *_times(report)]
    return element(
        "section",
        {"aria-labelledby": "depth-title"},
        element("h2", {"id": "depth-title"}, "Along the depth"),
        element("p", {"class": "lead"}, "Numbered as in the table below. Point at a bar or dot for its layer."),
        element("div", {"class": "pictures"}, *drawn),
    )


def names_of(layers: Sequence[LayerReport]) -> list[str]:
    """Names as they are shown, with the place."""
    return [f"{place} {shown_name(layer.name)}" for place, layer in enumerate(layers, 1)]


def _bits(report: Report) -> Markup:
    widths = [layer.bits for layer in report.layers]
    counts = {bits: widths.count(bits) for bits in sorted(set(widths))}
    said = ", ".join(f"{count} of {bits} bit{'s' * (bits > 1)}" for bits, count in counts.items())
    return draw_bars(
        "Bits of weights",
        f"{len(widths)} layers: {said}.",
        names_of(report.layers),
        {"bits": widths},
        x_label=DEPTH,
        note=said,
        unit=" bits",
        up_to=MOST_BITS if max(widths) > FEW_BITS else FEW_BITS,
    )


def _sizes(report: Report) -> Markup:
    before, after = (
        [layer.float_bytes for layer in report.layers],
        [layer.total_bytes for layer in report.layers],
    )
    note = f"{bytes_text(sum(after))} packed, behind them {bytes_text(sum(before))} as float"
    largest = max(report.layers, key=lambda layer: layer.total_bytes)
    described = f"{note}. The largest packed layer is {shown_name(largest.name)} with {largest.total_bytes:,} bytes."
    return draw_bars(
        "Bytes before and after",
        described,
        names_of(report.layers),
        {"packed": after},
        x_label=DEPTH,
        note=note,
        unit=" bytes",
        behind=("as float", before),
    )


def _noise(report: Report) -> list[Markup]:
    """How the error grows; what is exact has no place among decibels."""
    lines = {
        "with all errors before it": _points([layer.cumulative_sqnr_db for layer in report.layers]),
        "the layer alone": _points([layer.local_sqnr_db for layer in report.layers]),
        "weights": _points([layer.weight_sqnr_db for layer in report.layers]),
    }
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return []
    first = next(iter(lines))
    last = decibel_text(lines[first][-1][1])
    described = f"Signal over noise in decibels, higher is better; {first}: {last} at the last layer measured."
    dots = {float(place): name for place, name in enumerate(names_of(report.layers), 1)}
    title = "Error along the depth" if len(lines) > 1 else "Error of the weights"
    note = "signal over noise in dB: higher is better"
    return [draw_lines(title, described, lines, x_label=DEPTH, note=note, dots=dots)]


def _points(values: Sequence[float | None]) -> list[tuple[float, float]]:
    pairs = [(float(place), value) for place, value in enumerate(values, 1) if value is not None]
    return [(place, value) for place, value in pairs if math.isfinite(value)]


def _times(report: Report) -> list[Markup]:
    if report.timing is None:
        return []
    shares = [None if layer.time_share is None else 100 * layer.time_share for layer in report.layers]
    note = f"{percent_text(report.timing.other_share)} of the time belongs to no packed layer"
    longest = max(report.layers, key=lambda layer: layer.time_share or 0.0)
    described = f"{note}. {shown_name(longest.name)} takes longest: {percent_text(longest.time_share)}."
    series = {"share of time": shares}
    title = "Share of the latency, in percent"
    return [draw_bars(title, described, names_of(report.layers), series, x_label=DEPTH, note=note, unit=" %")]
