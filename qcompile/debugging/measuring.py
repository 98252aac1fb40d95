"""Runs the float model and the packed file side by side, and each layer by itself, in pieces that fit into memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import onnx

from qcompile.calibration.collecting import Observe, observer
from qcompile.calibration.readers import ArrayReader
from qcompile.debugging.counterparts import Counterpart
from qcompile.debugging.cutting import cut_out
from qcompile.debugging.grouping import bytes_of_tensors, in_groups
from qcompile.debugging.layers import Layer
from qcompile.debugging.noise import NoiseSum, ShareSum
from qcompile.errors import DataError, ModelError
from qcompile.loading import fixed_batch

Array = npt.NDArray[Any]
PIECE_ROWS = 16


@dataclass(frozen=True)
class Measured:
    """What was measured of a layer, in dB, and the shares (0 to 1) of clipped values.

    ``before_db`` is the cumulative SQNR of the worst tensor that the layer reads.
    """

    local_db: float
    cumulative_db: float
    before_db: float
    clipped_inputs: float
    clipped_outputs: float


class Pair:
    """The float model, the packed file, and which tensors of both stand for the same."""

    def __init__(
        self, floats: onnx.ModelProto, packed: onnx.ModelProto, counterparts: dict[str, Counterpart], most_bytes: int
    ) -> None:
        self._floats, self._packed, self._counterparts = floats, packed, counterparts
        self._most_bytes = most_bytes
        self._types = _element_types(floats)

    def measure_layers(self, layers: Sequence[Layer], inputs: Mapping[str, Array]) -> list[Measured]:
        """What the ``layers``, which all have counterparts, do on all rows of ``inputs``.

        At most ``most_bytes`` of tensors are held at a time, or those of one layer.
        Raises QCompileError if a model does not run, or a tensor differs in shape from its counterpart.
        """
        sizes = bytes_of_tensors(self._floats, next(pieces_of(self._floats, inputs)))
        needs = [(layer, self._wanted(_tensors(layer))) for layer in layers]
        found: list[Measured] = []
        for group in in_groups(needs, sizes, self._most_bytes // 2):  # the other half is the packed file's
            found += self._measure_group(group, pieces_of(self._floats, inputs))
        return found

    def measure_outputs(self, names: Sequence[str], inputs: Mapping[str, Array]) -> dict[str, float]:
        """The SQNR in dB of each of the outputs ``names`` over all rows of ``inputs``."""
        sums = {name: NoiseSum() for name in names}
        runs = observer(self._floats, list(names), optimized=False), observer(self._packed, list(names))
        for piece in pieces_of(self._floats, inputs):
            wanted, found = (run(piece) for run in runs)
            for name, total in sums.items():
                _add(total, name, wanted[name], found[name])
        return {name: total.sqnr_db for name, total in sums.items()}

    def _measure_group(self, layers: list[Layer], pieces: Iterator[dict[str, Array]]) -> list[Measured]:
        names = list(dict.fromkeys(name for layer in layers for name in _tensors(layer)))
        run_floats = observer(self._floats, self._wanted(names), optimized=False)
        run_packed = observer(self._packed, names)
        sums = [_LayerSums(layer, self._counterparts, self._alone(layer)) for layer in layers]
        cumulative = {name: NoiseSum() for name in names}
        for piece in pieces:
            wanted, found = run_floats(piece), run_packed(piece)
            for name, total in cumulative.items():
                counterpart = self._counterparts[name]
                _add(total, name, wanted[counterpart.tensor], counterpart.decode(found[name]))
            for each in sums:
                each.add(wanted)
        return [each.measured(cumulative) for each in sums]

    def _wanted(self, names: Sequence[str]) -> list[str]:
        """The tensors of the float model that are needed for ``names`` of the packed file."""
        found = [self._counterparts[name] for name in names]
        return list(dict.fromkeys(tensor for each in found for tensor in (each.tensor, each.unrounded)))

    def _alone(self, layer: Layer) -> Observe:
        return observer(cut_out(self._packed, layer, self._counterparts, self._types), [layer.output])


class _LayerSums:
    """What is summed up of one layer by itself."""

    def __init__(self, layer: Layer, counterparts: Mapping[str, Counterpart], run: Observe) -> None:
        self._layer, self._counterparts, self._run = layer, counterparts, run
        self._local, self._inputs, self._outputs = NoiseSum(), ShareSum(), ShareSum()

    def add(self, wanted: Mapping[str, Array]) -> None:
        """Adds a batch: ``wanted`` are tensors of the float model."""
        end = self._counterparts[self._layer.output]
        reads = {name: self._counterparts[name] for name in self._layer.reads}
        given = {name: one.encode(wanted[one.tensor]) for name, one in reads.items()}
        found = end.decode(self._run(given)[self._layer.output])
        _add(self._local, self._layer.output, wanted[end.tensor], found)
        self._outputs.add(end.clips(wanted[end.unrounded]))
        for one in reads.values():
            self._inputs.add(one.clips(wanted[one.unrounded]))

    def measured(self, cumulative: Mapping[str, NoiseSum]) -> Measured:
        """What was found; ``cumulative`` are the sums by tensor of the packed file."""
        return Measured(
            local_db=self._local.sqnr_db,
            cumulative_db=cumulative[self._layer.output].sqnr_db,
            before_db=min((cumulative[name].sqnr_db for name in self._layer.reads), default=float("inf")),
            clipped_inputs=self._inputs.share,
            clipped_outputs=self._outputs.share,
        )


def pieces_of(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """The rows of ``inputs``, PIECE_ROWS at a time or as many as ``model`` fixes.

    Raises DataError where the inputs differ in rows, have none, or do not fill the batch of the model.
    """
    fixed = fixed_batch(model)
    pieces = iter(ArrayReader(inputs, fixed or PIECE_ROWS).get_next, None)  # checks that they have one number of rows
    rows = len(next(iter(inputs.values())))
    if not rows or rows % (fixed or 1):
        raise DataError(f"{rows} rows of inputs, wanted a multiple of {fixed or 1} and at least one")
    return pieces


def _tensors(layer: Layer) -> list[str]:
    return [layer.output, *layer.reads]


def _add(total: NoiseSum, name: str, wanted: Array, found: Array) -> None:
    try:
        total.add(wanted, found)
    except ValueError as error:
        raise ModelError(f"tensor {name}: {error}. Is FLOAT the model that PACKED was compiled from?") from error


def _element_types(model: onnx.ModelProto) -> dict[str, int]:
    """The element types of the tensors of ``model`` that ONNX can infer."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        graph = model.graph
    return {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input, *graph.output)}
