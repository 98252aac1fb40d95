"""A report as a table for a terminal."""

import io
from typing import TYPE_CHECKING

import rich.box
import rich.console
import rich.markup
import rich.table

from qcompile.report.order import shown_order, worst_first
from qcompile.text import printable

if TYPE_CHECKING:
    from qcompile.report.result import LayerReport, Report

NAME_LENGTH = 60
WIDEST = 1000  # characters of a line
LEFT = ("layer", "op", "shape", "kernel")
MEASURED = ("SQNR", "output", "cumulative", "time")  # what nobody measured needs no column


def report_text(report: "Report") -> str:
    """A table of the layers, the worst first, then the totals."""
    output, table = io.StringIO(), _table(report)
    console = rich.console.Console(file=output, width=WIDEST)
    console.width = console.measure(table).maximum  # a terminal may break lines, a cut name is lost
    console.print(table)
    lines = [f"worst first: {shown_order(report)}", *_totals(report), *_measured(report), *_floats(report)]
    return output.getvalue() + "\n".join(map(printable, lines)) + "\n"


def _table(report: "Report") -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    rows = [_row(layer) for layer in worst_first(report)]
    measured = [column for column in rows[0] if column not in MEASURED or any(row[column] != "-" for row in rows)]
    for column in measured:
        table.add_column(column, justify="left" if column in LEFT else "right")
    for row in rows:
        table.add_row(*(row[column] for column in measured))
    return table


def _row(layer: "LayerReport") -> dict[str, str]:
    per_group = f" x {layer.groups}" if layer.groups > 1 else ""
    return {
        "layer": rich.markup.escape(printable(layer.name)[:NAME_LENGTH]),
        "op": layer.op,
        "shape": "x".join(map(str, layer.weight_shape)),
        "weights": f"{layer.weights:,}",
        "bits": str(layer.bits),
        "x bits": str(layer.activation_bits),
        "entries": f"{layer.entries}{per_group}",
        "corrections": f"{layer.corrections:,}",
        "bytes": f"{layer.total_bytes:,}",
        "share": f"{layer.share:.1%}",
        "SQNR": _decibels(layer.weight_sqnr_db),
        "output": _decibels(layer.local_sqnr_db),
        "cumulative": _decibels(layer.cumulative_sqnr_db),
        "time": "-" if layer.time_share is None else f"{layer.time_share:.1%}",
        "kernel": layer.kernel or "-",
    }


def _decibels(value: float | None) -> str:
    if value is None:
        return "-"
    return "exact" if value == float("inf") else f"{value:.1f} dB"


def _totals(report: "Report") -> list[str]:
    overhead = report.file_bytes - report.payload_bytes
    lines = [
        f"{report.weights:,} packed weights, {report.other_parameters:,} other parameters, "
        f"{report.codebook_entries:,} codebook entries, {report.corrections:,} corrections",
        f"weights   {report.bits_per_weight:.3f} bits each with codebooks and corrections, "
        f"{report.average_bits:.3f} without",
        f"payload   {report.payload_bytes:,} bytes in the file; the formula counts {report.formula_bytes:,.1f}",
        f"file      {report.file_bytes:,} bytes, {overhead:,} of it graph, functions, plan",
        f"ratio     {report.compression_ratio:.2f} by the formula (32-bit floats)",
    ]
    if report.file_ratio is not None:
        lines.append(f"          {report.file_ratio:.2f} by files: {report.float_file_bytes:,} bytes as float")
    if report.bit_operations is not None:
        lines.append(f"work      {report.multiply_adds:,} multiply-adds, {report.bit_operations:,} bit operations")
    if report.accuracy_percent is not None:
        as_float = report.float_accuracy_percent
        before = "" if as_float is None else f", {as_float:.2f} % as float"
        lines.append(f"accuracy  {report.accuracy_percent:.2f} %{before}: measured when it was learned")
    return lines


def _measured(report: "Report") -> list[str]:
    lines = [
        f"output    {name}: {_decibels(value)} over {report.samples or 0:,} samples"
        for name, value in report.outputs_sqnr_db.items()
    ]
    if (timing := report.timing) is not None:
        ratio = (
            "" if timing.float_us is None else f", {timing.float_us / timing.latency_us:.2f}x the float file's speed"
        )
        lines.append(
            f"time      {timing.latency_us:,.1f} us, {timing.threads} thread{'s' * (timing.threads > 1)}{ratio}"
        )
        if timing.memory_bytes is not None:
            lines.append(f"memory    {timing.memory_bytes / 1e6:,.1f} MB to load it and run once")
    if report.machine is not None:
        lines.append(f"machine   {report.machine.processor}, kernels for {report.machine.isa}")
    return lines


def _floats(report: "Report") -> list[str]:
    return [f"float     {kept.name[:NAME_LENGTH]}: {kept.op}, {kept.bytes:,} bytes" for kept in report.kept_float]
