"""Tells, for each layer of a packed file, what it costs; everything is counted in the file itself."""

import io
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import rich.console
import rich.markup
import rich.table

from qcompile.json_text import to_json
from qcompile.loading import load_model
from qcompile.packed_model import PLAN_KEY, PackedLayer, embedded_plan, other_parameters, packed_layers, table_bytes
from qcompile.places import PLACES_KEY
from qcompile.text import printable
from qcompile.weight_error import load_float, weight_sqnr_db

FLOAT_BITS = 32
NAME_LENGTH = 60
WIDEST = 1000  # characters of a line
KINDS = ("indices", "codebook", "scale", "bias", "gaps", "values")
Operands = dict[str, npt.NDArray[Any]]
KernelsOf = Callable[[onnx.ModelProto], Mapping[str, str]]


@dataclass(frozen=True)
class LayerReport:
    """One packed layer. ``share`` is its part of the payload, 0 to 1.

    Bytes are those of its tensors in the file; a tensor that layers share counts with the first of them.
    """

    name: str
    op: str
    weight_shape: tuple[int, ...]
    weights: int
    bits: int
    activation_bits: int
    entries: int
    groups: int
    index_bytes: int
    codebook_bytes: int
    scale_bytes: int
    bias_bytes: int
    corrections: int
    correction_bytes: int
    share: float
    weight_sqnr_db: float | None
    kernel: str | None

    @property
    def total_bytes(self) -> int:
        """All bytes of the layer's tensors."""
        weight = self.index_bytes + self.codebook_bytes + self.scale_bytes + self.correction_bytes
        return weight + self.bias_bytes


@dataclass(frozen=True)
class Report:
    """A packed file: its layers and totals.

    ``payload_bytes`` are the bytes of all parameters in the file, ``formula_bytes`` what the formula of the LC paper
    counts for them: ceil(log2 K) bits for each packed weight, 32 for each other parameter and codebook entry, 8 for
    a whole entry; for each correction 32, and ceil(log2 N) for its place among N weights.
    ``float_file_bytes`` is the size of the float file that was given to compare with.
    """

    path: str
    file_bytes: int
    payload_bytes: int
    formula_bytes: float
    weights: int
    other_parameters: int
    codebook_entries: int
    corrections: int
    compression_ratio: float
    float_file_bytes: int | None
    layers: tuple[LayerReport, ...]
    metadata: dict[str, str]
    plan: dict[str, Any] | None

    @property
    def file_ratio(self) -> float | None:
        """Size of the float file over the size of this one."""
        return None if self.float_file_bytes is None else self.float_file_bytes / self.file_bytes

    def as_json(self) -> str:
        """The report as a JSON object."""
        return to_json(self, file_ratio=self.file_ratio)

    def as_text(self) -> str:
        """The report as a table for a terminal."""
        output, table = io.StringIO(), _table(self)
        console = rich.console.Console(file=output, width=WIDEST)
        console.width = console.measure(table).maximum  # a terminal may break lines, a cut name is lost
        console.print(table)
        console.print("\n".join(_totals(self)), markup=False, highlight=False)
        return output.getvalue()


def report_file(
    path: str | pathlib.Path,
    *,
    against: str | pathlib.Path | None = None,
    kernels_of: KernelsOf | None = None,
) -> Report:
    """The report of the packed file ``path``.

    ``against`` is the float model, for the weights' signal-to-noise ratio and the ratio of real file sizes;
    ``kernels_of`` names the kernels that this machine runs, by the output of a layer (``qcompile.kernel_choice``).

    Raises ModelError if a file is not what it must be.
    """
    model = load_model(path)
    layers = packed_layers(model)
    stored = _stored(layers)
    others = sum(array.size for _, array in other_parameters(model))
    floats = None if against is None else load_float(against, layers)
    payload = sum(_nbytes(own) for own in stored) + 4 * others + table_bytes(model)
    kernels = {} if kernels_of is None else kernels_of(model)
    rows = tuple(
        _report_layer(layer, own, payload, floats, kernels.get(layer.node.output[0]))
        for layer, own in zip(layers, stored, strict=True)
    )
    weights = sum(layer.weights for layer, own in zip(layers, stored, strict=True) if own["indices"].size)
    others += sum(own["scale"].size + own["bias"].size for own in stored)
    entries = sum(_distinct_entries(own["codebook"]) for own in stored)
    formula_bits = others * FLOAT_BITS + sum(_codebook_bits(own["codebook"]) for own in stored)
    formula_bits += sum(_weight_bits(layer, own) for layer, own in zip(layers, stored, strict=True))
    return Report(
        path=str(path),
        file_bytes=pathlib.Path(path).stat().st_size,
        payload_bytes=payload,
        formula_bytes=formula_bits / 8,
        weights=weights,
        other_parameters=others,
        codebook_entries=entries,
        corrections=sum(row.corrections for row in rows),
        compression_ratio=(weights + others) * FLOAT_BITS / formula_bits,
        float_file_bytes=None if against is None else pathlib.Path(against).stat().st_size,
        layers=rows,
        metadata={p.key: p.value for p in model.metadata_props if p.key not in (PLAN_KEY, PLACES_KEY)},
        plan=embedded_plan(model),
    )


def _stored(layers: list[PackedLayer]) -> list[Operands]:
    """For each layer its operands by kind; without elements where an earlier layer reads the same tensor."""
    seen: set[str] = set()
    stored = []
    for layer in layers:
        own: Operands = {kind: np.zeros(0, np.float32) for kind in KINDS}
        for kind, (name, array) in layer.operands().items():
            if name not in seen:
                own[kind] = array
            seen.add(name)
        stored.append(own)
    return stored


def _nbytes(own: Operands) -> int:
    return sum(array.nbytes for array in own.values())


def _distinct_entries(codebook: npt.NDArray[Any]) -> int:
    return sum(len(np.unique(row)) for row in codebook)


def _codebook_bits(codebook: npt.NDArray[Any]) -> int:
    return _distinct_entries(codebook) * codebook.itemsize * 8


def _weight_bits(layer: PackedLayer, own: Operands) -> int:
    """What the formula counts for the indices and corrections that are stored with a layer."""
    place_bits = max(1, (layer.weights - 1).bit_length())
    corrections = int(np.count_nonzero(own["values"]))
    return (layer.weights * layer.bits if own["indices"].size else 0) + corrections * (FLOAT_BITS + place_bits)


def _report_layer(
    layer: PackedLayer, own: Operands, payload: int, floats: onnx.ModelProto | None, kernel: str | None
) -> LayerReport:
    return LayerReport(
        name=layer.name,
        op=layer.op,
        weight_shape=layer.weight_shape,
        weights=layer.weights,
        bits=layer.bits,
        activation_bits=layer.activation_bits,
        entries=max(layer.entries),
        groups=max(1, layer.codebook.shape[0]),
        index_bytes=own["indices"].nbytes,
        codebook_bytes=own["codebook"].nbytes,
        scale_bytes=own["scale"].nbytes,
        bias_bytes=own["bias"].nbytes,
        corrections=layer.corrections.count if layer.corrections else 0,
        correction_bytes=own["gaps"].nbytes + own["values"].nbytes,
        share=_nbytes(own) / payload,
        weight_sqnr_db=None if floats is None else weight_sqnr_db(layer, floats),
        kernel="decoded at load" if layer.is_decoded_at_load else kernel,
    )


def _table(report: Report) -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    columns = [
        "layer",
        "op",
        "shape",
        "weights",
        "bits",
        "x bits",
        "entries",
        "corrections",
        "bytes",
        "share",
        "SQNR",
        "kernel",
    ]
    for column in columns:
        table.add_column(column, justify="left" if column in ("layer", "op", "shape", "kernel") else "right")
    for layer in report.layers:
        per_group = f" x {layer.groups}" if layer.groups > 1 else ""
        table.add_row(
            rich.markup.escape(printable(layer.name)[:NAME_LENGTH]),
            layer.op,
            "x".join(map(str, layer.weight_shape)),
            f"{layer.weights:,}",
            str(layer.bits),
            str(layer.activation_bits),
            f"{layer.entries}{per_group}",
            f"{layer.corrections:,}",
            f"{layer.total_bytes:,}",
            f"{layer.share:.1%}",
            "-" if layer.weight_sqnr_db is None else f"{layer.weight_sqnr_db:.1f} dB",
            layer.kernel or "-",
        )
    return table


def _totals(report: Report) -> list[str]:
    overhead = report.file_bytes - report.payload_bytes
    lines = [
        f"{report.weights:,} packed weights, {report.other_parameters:,} other parameters, "
        f"{report.codebook_entries:,} codebook entries, {report.corrections:,} corrections",
        f"payload   {report.payload_bytes:,} bytes in the file; the formula counts {report.formula_bytes:,.1f}",
        f"file      {report.file_bytes:,} bytes, {overhead:,} of it graph, functions, plan",
        f"ratio     {report.compression_ratio:.2f} by the formula (32-bit floats)",
    ]
    if report.file_ratio is not None:
        lines.append(f"          {report.file_ratio:.2f} by files: {report.float_file_bytes:,} bytes as float")
    return lines
