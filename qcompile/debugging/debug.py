"""The float model and what was compiled of it, layer by layer."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx

from qcompile.debugging.counterparts import Counterpart, find_counterparts
from qcompile.debugging.layers import Layer, find_layers
from qcompile.debugging.measuring import Measured, Pair
from qcompile.debugging.result import DebuggedLayer, DebugResult
from qcompile.debugging.wider import wider_weights
from qcompile.errors import DataError, ModelError
from qcompile.loading import load_model
from qcompile.stored_operands import bytes_of, stored_operands

Array = npt.NDArray[Any]
MOST_BYTES = 1 << 28  # of tensors that are held at a time
LARGEST_EXPONENT = 300  # of 10 in float64


def debug_files(
    floats: str | pathlib.Path,
    packed: str | pathlib.Path,
    inputs: Mapping[str, Array],
    *,
    most_bytes: int = MOST_BYTES,
) -> DebugResult:
    """How far each layer of the file ``packed`` is from ``floats``, the model that it was compiled from.

    ``inputs`` are arrays [rows, ...] by name. Layers are run in groups of so many that the tensors held at a time have
    ``most_bytes`` bytes at most, or are those of one layer. A model that was quantized already is compared behind its
    own rounding, so nothing should differ; the float model that it was made of shows that rounding, by equal names.

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
    measured = iter(pair.measure_layers(fitting, inputs))
    sizes = map(bytes_of, stored_operands([layer.packed for layer in layers if layer.packed is not None]))
    rows = []
    for layer in layers:
        stored = next(sizes) if layer.packed is not None else 0
        found = next(measured) if layer.problem is None else None
        rows.append(_row(layer, stored, found, counterparts))
    outputs = _shared_outputs(before, after)
    return DebugResult(
        float_path=str(floats),
        path=str(packed),
        samples=len(next(iter(inputs.values()))),
        layers=tuple(sorted(rows, key=_badness)),
        outputs_db=pair.measure_outputs(outputs, inputs) if outputs else {},
        noisiest=_noisiest(rows),
        rounds_itself=any(one.tensor != one.unrounded for one in counterparts.values()),
    )


def _check_inputs(floats: onnx.ModelProto, inputs: Mapping[str, Array]) -> None:
    stored = {tensor.name for tensor in floats.graph.initializer}
    wanted = {value.name: value.type.tensor_type for value in floats.graph.input if value.name not in stored}
    if set(inputs) != set(wanted):
        given = ", ".join(sorted(inputs)) or "nothing"
        raise DataError(f"the float model takes {', '.join(wanted) or 'nothing'}; the inputs have {given}")
    for name, tensor in wanted.items():
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        sizes = [dim.dim_value or dim.dim_param or "any" for dim in tensor.shape.dim]
        array = inputs[name]
        fixed = zip(sizes[1:], array.shape[1:], strict=False)  # of the batch pieces are made
        same = all(isinstance(size, str) or size == found for size, found in fixed)
        if array.dtype != dtype or len(sizes) != array.ndim or not same:
            raise DataError(f"input {name} is {dtype} {sizes} in the model, given {array.dtype} {list(array.shape)}")


def _check_matches(floats: str | pathlib.Path, packed: str | pathlib.Path, layers: Sequence[Layer]) -> None:
    if all(layer.problem is not None for layer in layers):
        raise ModelError(
            f"0 of {len(layers)} layers of {packed} have a counterpart in {floats}: {layers[0].problem}. "
            "Give the model that was compiled to it"
        )


def _row(layer: Layer, stored: int, found: Measured | None, counterparts: Mapping[str, Counterpart]) -> DebuggedLayer:
    return DebuggedLayer(
        name=layer.name,
        op=layer.node.op_type,
        bits=None if layer.packed is None else layer.packed.bits,
        activation_bits=layer.activation_bits,
        bytes=stored,
        tensor=counterparts[layer.output].tensor if layer.output in counterparts else None,
        local_db=None if found is None else found.local_db,
        cumulative_db=None if found is None else found.cumulative_db,
        before_db=None if found is None else found.before_db,
        clipped_inputs=None if found is None else found.clipped_inputs,
        clipped_outputs=None if found is None else found.clipped_outputs,
        wider=() if layer.packed is None else wider_weights(layer.packed),
        problem=layer.problem,
    )


def _badness(layer: DebuggedLayer) -> tuple[bool, float]:
    return layer.local_db is None, 0.0 if layer.local_db is None else layer.local_db


def _noisiest(rows: Sequence[DebuggedLayer]) -> str | None:
    """The layer that adds most to the part of noise in what it gives; None where nothing is added."""
    added = {
        row.name: _noise_part(row.cumulative_db) - _noise_part(row.before_db)
        for row in rows
        if row.cumulative_db is not None and row.before_db is not None
    }
    name = max(added, key=lambda name: added[name], default=None)
    return None if name is None or added[name] <= 0 else name


def _noise_part(sqnr_db: float) -> float:
    """Noise over signal and noise together: 0 to 1."""
    return 1 / (1 + 10 ** min(sqnr_db / 10, LARGEST_EXPONENT))


def _shared_outputs(floats: onnx.ModelProto, packed: onnx.ModelProto) -> list[str]:
    """The outputs that both have as floats."""
    known = {value.name for value in floats.graph.output}
    found = [value for value in packed.graph.output if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    return [value.name for value in found if value.name in known]
