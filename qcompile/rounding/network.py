"""All float weights of a network, rounded one part of the network after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.codebooks import Lookup
from qcompile.errors import DataError, ModelError
from qcompile.passes._match import LeftAloneError
from qcompile.passes._operands import free_name, graph_of, initializer, register
from qcompile.passes._write_lookup import weight_rows, write_lookup
from qcompile.passes.fuse_codebook_conv import convolution_attributes
from qcompile.passes.round_weights import grid_lookup, has_float_weight, number_lookup, round_to_grid
from qcompile.rounding.collecting import Batch, Columns, collect_moments
from qcompile.rounding.columns import Convolution, Dense
from qcompile.rounding.layer import RoundedRows, round_rows
from qcompile.rounding.methods import RoundedLayer, SecondOrder
from qcompile.rounding.moments import Moments
from qcompile.rounding.starts import codebook_start

MOST_COLUMNS = 8192  # of a layer: one matrix of moments has half a gigabyte
MOST_BYTES = 1 << 29  # of the moments that are summed in one run


@dataclass(frozen=True)
class Candidate:
    """A layer with a float weight, the tensor that it reads, and how; None, and ``reason``, where rounded plainly."""

    node: ir.Node
    reads: str
    columns: Columns | None
    moment_bytes: int = 0
    reason: str = ""


class RoundToOutputs(ir.passes.InPlacePass):
    """Rounds the float weights of layers to ``bits`` bits so that outputs on ``batches`` change least.

    ``rounded`` tells afterwards what it did, in the order of the graph. An Add behind a layer keeps its mean.
    Requires: a model that the ONNX checker accepts and onnxruntime runs; shapes, where auto_pad is SAME_*.
    Ensures and leaves alone: as RoundWeights. Weights that are looked up are not touched.
    Raises QCompileError if the model does not run on a batch, there is none, or a layer reads what is not finite.
    """

    def __init__(self, bits: int, batches: Sequence[Batch], method: SecondOrder) -> None:
        super().__init__()
        self._bits, self._batches, self._method = bits, batches, method
        self.rounded: tuple[RoundedLayer, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rounds each weight once for each node that reads it."""
        found = [_candidate(node) for node in model.graph if has_float_weight(node)]
        if found and not self._batches:
            raise DataError("the reader gave no batch: calibration needs at least one")
        before, told = ir.serde.serialize_model(model), []
        for number, part in enumerate(_parts(found, self._method.runs)):
            after = ir.serde.serialize_model(model) if number else before
            layers = [(each.reads, each.columns) for each in part if each.columns is not None]
            moments = iter(collect_moments(before, after, layers, self._batches) if layers else [])
            for each in part:
                told.append(self._round(each, next(moments) if each.columns is not None else None))
        self.rounded = tuple(told)
        return ir.passes.PassResult(model, modified=bool(found))

    def _round(self, candidate: Candidate, moments: Moments | None) -> RoundedLayer:
        """Rounds the weight of ``candidate``; gives what is told of it."""
        node, bits = candidate.node, self._bits
        name, rows = layer_name(node), weight_rows(node)
        if moments is None:
            write_lookup(node, self._plainly(rows))
            layer = RoundedLayer(name, bits, reason=candidate.reason or "it reads nothing")
        else:
            rounded = round_rows(rows, moments, bits, self._method.damping, self._method.values)
            write_lookup(node, self._lookup(rounded.numbers, rounded.steps))
            _shift(candidate, rounded, f"{name}.bias")
            layer = _described(name, bits, rounded)
        if self._method.progress is not None:
            self._method.progress(layer)
        return layer

    def _plainly(self, rows: npt.NDArray[np.float32]) -> Lookup:
        """The nearest numbers to ``rows`` [n, k]."""
        if self._method.values == "grid":
            return self._lookup(*round_to_grid(rows, self._bits))
        start = codebook_start(rows.astype(np.float64), None, self._bits)
        return self._lookup(start.nearest, start.steps)

    def _lookup(self, numbers: npt.NDArray[np.int16], steps: npt.NDArray[np.float32]) -> Lookup:
        if self._method.values == "grid":
            return grid_lookup(numbers, steps, self._bits)
        return number_lookup(numbers, steps, self._bits)


def layer_name(node: ir.Node) -> str:
    """What the layer will be called: as its weight, where that has a usual name."""
    weight = node.inputs[1]
    assert weight is not None
    called = str(weight.name)
    return called.split(".weight")[0] if ".weight" in called else node.name or called


def _described(name: str, bits: int, rounded: RoundedRows) -> RoundedLayer:
    variance = float(rounded.variance.sum()) or 1.0
    return RoundedLayer(name, bits, float(rounded.plain_error.sum()) / variance, float(rounded.error.sum()) / variance)


def _candidate(node: ir.Node) -> Candidate:
    x, rows = node.inputs[0], weight_rows(node)
    assert x is not None
    reads = str(x.name)
    try:
        columns = _columns(node, x, len(rows))
    except (LeftAloneError, ModelError) as error:
        return Candidate(node, reads, None, reason=str(error))
    group = columns.group if isinstance(columns, Convolution) else 1
    k = rows.shape[1]
    if k > MOST_COLUMNS:
        return Candidate(node, reads, None, reason=f"{k} columns, at most {MOST_COLUMNS} are corrected")
    return Candidate(node, reads, columns, 2 * group * k * k * 8)


def _columns(node: ir.Node, x: ir.Value, outputs: int) -> Columns:
    """How ``node`` reads ``x``; raises LeftAloneError or ModelError where that cannot be said."""
    if node.op_type != "Conv":
        return Dense()
    weight = node.inputs[1]
    assert weight is not None and weight.const_value is not None  # noqa: PT018 (one fact, for mypy)
    kernel = tuple(int(size) for size in weight.const_value.shape.numpy()[2:])
    given = convolution_attributes(node, x, kernel, outputs)
    strides, dilations, pads, group = (given[name] for name in ("strides", "dilations", "pads", "group"))
    assert isinstance(strides, tuple) and isinstance(dilations, tuple)  # noqa: PT018
    assert isinstance(pads, tuple) and isinstance(group, int)  # noqa: PT018
    return Convolution(kernel, strides, dilations, pads, group)


def _parts(candidates: list[Candidate], runs: int) -> Iterator[list[Candidate]]:
    """``candidates`` in the order of the graph, in ``runs`` parts at most, or more where their moments need it."""
    most, part, held = -(-len(candidates) // runs), list[Candidate](), 0
    for candidate in candidates:
        if part and (len(part) == most or held + candidate.moment_bytes > MOST_BYTES):
            yield part
            part, held = [], 0
        part.append(candidate)
        held += candidate.moment_bytes
    if part:
        yield part


def _shift(candidate: Candidate, rounded: RoundedRows, name: str) -> None:
    """Adds the shift of ``rounded`` to what the layer gives; a later pass folds it into the bias."""
    node, graph = candidate.node, graph_of(candidate.node)
    gain = node.attributes.get_float("alpha", 1.0) if node.op_type == "Gemm" else 1.0
    with np.errstate(over="ignore"):
        shift = (rounded.shift * gain).astype(np.float32)
    if not shift.any() or not np.isfinite(shift).all():
        return
    axes = len(candidate.columns.kernel) if isinstance(candidate.columns, Convolution) else 0
    constant, old = initializer(shift.reshape(-1, *[1] * axes)), node.outputs[0]
    added = ir.node("Add", [old, constant])
    new = added.outputs[0]
    new.shape, new.type = old.shape, old.type
    graph.insert_after(node, added)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    added.replace_input_with(0, old)
    new.name, old.name = old.name, free_name(f"{old.name}.unshifted", set(ir.convenience.create_value_mapping(graph)))
    register(graph, constant, name)
