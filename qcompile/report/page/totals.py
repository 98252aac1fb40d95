"""The key figures of a file, at the head of its page."""

from dataclasses import dataclass

from qcompile.drawing import Markup, element
from qcompile.report.measured import Timing
from qcompile.report.page.words import bytes_text, count_text, decibel_text, time_text
from qcompile.report.result import Report


@dataclass(frozen=True)
class KeyFigure:
    """What it is, how much, and what to compare it with."""

    name: str
    value: str
    beside: str


def key_figures(report: Report) -> list[KeyFigure]:
    """What a person decides by; what nobody measured is left out."""
    return [*_sizes(report), *_quality(report), *_work(report), *_time(report.timing)]


def key_figures_list(report: Report) -> Markup:
    """The key figures as a list."""
    items = [
        element(
            "div",
            {},
            element("dt", {}, each.name),
            element("dd", {"class": "value"}, each.value),
            element("dd", {"class": "beside"}, each.beside),
        )
        for each in key_figures(report)
    ]
    across = next((count for count in (4, 3, 5) if len(items) % count == 0), 4)
    return element("dl", {"class": f"figures across-{across}"}, *items)


def _sizes(report: Report) -> list[KeyFigure]:
    overhead = report.file_bytes - report.payload_bytes
    file = f"{report.file_bytes:,} bytes, {overhead:,} of them graph"
    bits = KeyFigure("Bits a weight", f"{report.bits_per_weight:.2f}", f"{report.average_bits:.2f} without codebooks")
    size = KeyFigure("File", bytes_text(report.file_bytes), file)
    formula = f"{report.compression_ratio:.2f}"
    if report.file_ratio is None:
        return [bits, size, KeyFigure("Smaller than float", f"{formula}\u00d7", "by the formula, rho")]
    beside = f"by files, {report.float_file_bytes:,} bytes as float; rho by the formula {formula}"
    return [bits, size, KeyFigure("Smaller than float", f"{report.file_ratio:.2f}\u00d7", beside)]


def _quality(report: Report) -> list[KeyFigure]:
    figures = []
    if report.accuracy_percent is not None:
        as_float = report.float_accuracy_percent
        beside = "when it was learned" if as_float is None else f"{as_float:.2f} % as float"
        figures.append(KeyFigure("Accuracy", f"{report.accuracy_percent:.2f} %", beside))
    outputs = report.outputs_sqnr_db
    if outputs:
        worst = min(outputs, key=lambda name: outputs[name])
        beside = f"SQNR of {worst} over {report.samples or 0:,} samples"
        figures.append(KeyFigure("Output", decibel_text(outputs[worst]), beside))
    return figures


def _work(report: Report) -> list[KeyFigure]:
    if report.bit_operations is None or report.multiply_adds is None:
        return []
    beside = f"{count_text(report.multiply_adds)} multiply-adds of one sample"
    return [KeyFigure("Bit operations", count_text(report.bit_operations), beside)]


def _time(timing: Timing | None) -> list[KeyFigure]:
    if timing is None:
        return []
    threads = f"{timing.threads} thread{'s' * (timing.threads > 1)}"
    beside = threads if timing.float_us is None else f"{threads}; {time_text(timing.float_us)} as float"
    figures = [KeyFigure("Latency", time_text(timing.latency_us), beside)]
    if timing.memory_bytes is not None:
        figures.append(KeyFigure("Memory", bytes_text(timing.memory_bytes), "to load it and run once"))
    return figures
