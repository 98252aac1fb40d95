"""The float model and what was compiled of it, layer by layer."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx

from qcompile.debugging.counterparts import find_counterparts
from qcompile.debugging.layers import Layer, find_layers
from qcompile.debugging.measuring import Measured, Pair
from qcompile.debugging.result import DebuggedLayer, DebugResult
from qcompile.debugging.wider import wider_weights
from qcompile.errors import DataError, ModelError
from qcompile.loading import load_model
from qcompile.report import LayerReport, report_file

Array = npt.NDArray[Any]
MOST_BYTES = 1 << 28  # of tensors that are held at a time


def debug_files(
    floats: str | pathlib.Path,
    packed: str | pathlib.Path,
    inputs: Mapping[str, Array],
    *,
    most_bytes: int = MOST_BYTES,
) -> DebugResult:
    """How far each layer of the file ``packed`` is from ``floats``, the model that it was compiled from.

    ``inputs`` are arrays [rows, ...] by name. Layers are run in groups of so many that the tensors held at a time have
    ``most_bytes`` bytes at most, or are those of one layer. A model that was quantized already is compared before its
    own QuantizeLinear: what is found is the rounding that it does there.

    Raises ModelError if a file is not what it must be or no layer has a counterpart; DataError where the inputs do not
    fit; QCompileError where a model does not run.
    """
    before, after = load_model(floats), load_model(packed)
    _check_inputs(before, inputs)
    counterparts = find_counterparts(before, after)
    layers = find_layers(after, counterparts)
    _check_matches(floats, packed, layers)
    pair = Pair(before, after, counterparts, most_bytes)
    fitting = [layer for layer in layers if layer.problem is None]
    measured = dict(zip(map(id, fitting), pair.measure_layers(fitting, inputs), strict=True))
    reports = iter(report_file(packed).layers)
    rows = [
        _row(layer, next(reports) if layer.packed else None, measured.get(id(layer)), counterparts)
        for layer in layers
    ]
    steepest, fall = _steepest(rows)
    outputs = _shared_outputs(before, after)
    return DebugResult(
        float_path=str(floats),
        path=str(packed),
        samples=len(next(iter(inputs.values()))),
        layers=tuple(sorted(rows, key=_badness)),
        outputs_db=pair.measure_outputs(outputs, inputs) if outputs else {},
        steepest=steepest,
        fall_db=fall,
    )
