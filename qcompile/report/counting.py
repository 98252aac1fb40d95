"""The totals of a packed file, counted in the file itself."""

import pathlib

import onnx

from qcompile.packed_model import PLAN_KEY, PackedLayer, other_parameters, table_bytes
from qcompile.places import PLACES_KEY
from qcompile.report.accuracy import accuracy_percent
from qcompile.report.formula import FLOAT_BITS, codebook_bits, distinct_entries, weight_bits
from qcompile.report.kept_float import kept_float
from qcompile.report.known import Known
from qcompile.report.layer import report_layer
from qcompile.report.operations import multiplies, total
from qcompile.report.result import LayerReport, Report
from qcompile.stored_operands import Operands, bytes_of, stored_operands

HIDDEN = (PLAN_KEY, PLACES_KEY)  # the one is told apart, the other is no news


def count_report(path: pathlib.Path, model: onnx.ModelProto, layers: list[PackedLayer], known: Known) -> Report:
    """The report of ``model``, the file ``path``, without what other files than the float model tell."""
    stored = stored_operands(layers)
    float_parameters = sum(array.size for _, array in other_parameters(model))
    payload = sum(map(bytes_of, stored)) + 4 * float_parameters + table_bytes(model)
    rows = tuple(report_layer(layer, own, payload, known) for layer, own in zip(layers, stored, strict=True))
    once = [layer for layer, own in zip(layers, stored, strict=True) if own["indices"].size]
    weights = sum(layer.weights for layer in once)
    others = float_parameters + sum(own["scale"].size + own["bias"].size for own in stored)
    formula_bits = others * FLOAT_BITS + _packed_bits(layers, stored)
    multiplying = [row for layer, row in zip(layers, rows, strict=True) if multiplies(layer)]
    accuracy, float_accuracy = accuracy_percent(known.plan)
    return Report(
        path=str(path),
        file_bytes=path.stat().st_size,
        payload_bytes=payload,
        formula_bytes=formula_bits / 8,
        weights=weights,
        other_parameters=others,
        codebook_entries=sum(distinct_entries(own["codebook"]) for own in stored),
        corrections=sum(row.corrections for row in rows),
        compression_ratio=(weights + others) * FLOAT_BITS / formula_bits,
        float_file_bytes=None,
        file_ratio=None,
        bits_per_weight=8 * sum(map(_weight_bytes, rows)) / weights,
        average_bits=sum(layer.weights * layer.bits for layer in once) / weights,
        multiply_adds=total([row.multiply_adds for row in multiplying]),
        bit_operations=total([row.bit_operations for row in multiplying]),
        accuracy_percent=accuracy,
        float_accuracy_percent=float_accuracy,
        outputs_sqnr_db={} if known.debugged is None else known.debugged.outputs_db,
        samples=None if known.debugged is None else known.debugged.samples,
        machine=None,
        timing=None if known.measured is None else known.measured.timing,
        layers=rows,
        kept_float=kept_float(model),
        front=None,
        learning=None,
        metadata={entry.key: entry.value for entry in model.metadata_props if entry.key not in HIDDEN},
        plan=known.plan,
    )


def _packed_bits(layers: list[PackedLayer], stored: list[Operands]) -> int:
    """What the formula counts for packed weights: indices, codebooks and corrections."""
    pairs = zip(layers, stored, strict=True)
    return sum(weight_bits(layer, own) + codebook_bits(own["codebook"]) for layer, own in pairs)


def _weight_bytes(row: LayerReport) -> int:
    return row.index_bytes + row.codebook_bytes + row.correction_bytes
