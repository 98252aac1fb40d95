"""All float weights of a network, rounded one part of the network after the other."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from qcompile.errors import DataError
from qcompile.passes._layer_names import widths_of
from qcompile.passes._operands import free_name, graph_of, initializer, register
from qcompile.passes._write_lookup import weight_rows, write_lookup
from qcompile.rounding.candidates import Candidate, find_candidates, in_parts
from qcompile.rounding.codebook_layer import RoundedLookup
from qcompile.rounding.collecting import Batch, See, collect_moments, seen_by
from qcompile.rounding.grid import Doubles
from qcompile.rounding.layer import RoundedRows, round_rows
from qcompile.rounding.lookups import as_lookup, plain_lookup
from qcompile.rounding.methods import RoundedLayer, SecondOrder
from qcompile.rounding.moments import Moments
from qcompile.rounding.runs import runs_of


class RoundToOutputs(ir.passes.InPlacePass):
    """Rounds the float weights of layers to ``bits`` bits so that outputs on ``batches`` change least.

    ``bits`` are for all layers or by name. ``rounded`` tells afterwards what it did, in the order of the graph. An Add
    behind a layer keeps its mean.
    Requires: a model that the ONNX checker accepts and onnxruntime runs; shapes, where auto_pad is SAME_*.
    Ensures and leaves alone: as RoundWeights. Weights that are looked up are not touched.
    Raises QCompileError if the model does not run on a batch, there is none, a layer reads what is not finite, or
    ``bits`` names another layer or lacks one.
    """

    def __init__(self, bits: int | Mapping[str, int], batches: Sequence[Batch], method: SecondOrder) -> None:
        super().__init__()
        self._bits, self._batches, self._method = bits, batches, method
        self.rounded: tuple[RoundedLayer, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rounds each weight once for each node that reads it."""
        found = find_candidates(model)
        names = [each.name for each in found]
        widths = dict(zip(names, widths_of(names, self._bits) if names else [], strict=True))
        pairs = layers_in_turn(model, found, self._batches, self._method.runs)
        self.rounded = tuple(self._round(each, moments, widths[each.name]) for each, moments in pairs)
        return ir.passes.PassResult(model, modified=bool(found))

    def _round(self, candidate: Candidate, moments: Moments | None, bits: int) -> RoundedLayer:
        """Rounds the weight of ``candidate``; gives what is told of it."""
        node, name, values = candidate.node, candidate.name, self._method.values
        rows = weight_rows(node)
        if moments is None:
            write_lookup(node, plain_lookup(rows, bits, values))
            layer = RoundedLayer(name, bits, reason=candidate.reason or "it reads nothing")
        else:
            rounded = round_rows(rows, moments, bits, self._method.damping, values)
            add_shift(candidate, rounded.shift)
            write_lookup(node, as_lookup(rounded.numbers, rounded.steps, bits, values))
            layer = described(name, bits, rounded)
        if self._method.progress is not None:
            self._method.progress(layer)
        return layer


def layers_in_turn(
    model: ir.Model, candidates: Sequence[Candidate], batches: Sequence[Batch], runs: int
) -> Iterator[tuple[Candidate, Moments | None]]:
    """Each of ``candidates`` of ``model``, in order, with the moments of what it reads behind those that came before.

    Whoever takes one rounds it in ``model`` before the next. Raises DataError where there is no batch.
    """
    if candidates and not batches:
        raise DataError("the reader gave no batch: calibration needs at least one")
    networks, changing = runs_of(model, batches), {each.node for each in candidates}
    for part in in_parts(list(candidates), runs):
        yield from moments_seen(part, networks(changing))
        changing -= {each.node for each in part}


def moments_of(
    candidates: Sequence[Candidate], before: onnx.ModelProto, after: onnx.ModelProto, batches: Sequence[Batch]
) -> Iterator[tuple[Candidate, Moments | None]]:
    """Each of ``candidates`` with the moments of what it reads; None where that is nothing, or cannot be said.

    ``before`` is the float model, ``after`` the one that is rounded so far: both run once on ``batches``.
    """
    networks = [seen_by(model, batches) for model in ([before] if after is before else [before, after])]
    return moments_seen(candidates, networks)


def moments_seen(
    candidates: Sequence[Candidate], networks: Sequence[See]
) -> Iterator[tuple[Candidate, Moments | None]]:
    """As ``moments_of``, of ``networks`` as ``collect_moments`` takes them."""
    layers = [(each.reads, each.columns) for each in candidates if each.columns is not None]
    moments = iter(collect_moments(layers, networks) if layers else [])
    for each in candidates:
        yield each, next(moments) if each.columns is not None else None


def shift_of(candidate: Candidate, shift: Doubles) -> npt.NDArray[np.float32]:
    """What is added to the output of the layer, [n] or [n, 1...], where its product has to be shifted by ``shift`` [n].

    Zero where that is not finite.
    """
    node = candidate.node
    gain = node.attributes.get_float("alpha", 1.0) if node.op_type == "Gemm" else 1.0
    with np.errstate(over="ignore"):
        added = (shift * gain).astype(np.float32)
    weight = node.inputs[1]
    assert weight is not None
    axes = len(weight.shape or ()) - 2 if node.op_type == "Conv" else 0
    found: npt.NDArray[np.float32] = added.reshape(-1, *[1] * axes)
    return found if np.isfinite(found).all() else np.zeros_like(found)


def described(name: str, bits: int, rounded: RoundedRows | RoundedLookup) -> RoundedLayer:
    """What is told of layer ``name`` once it is ``rounded`` to ``bits`` bits."""
    variance = float(rounded.variance.sum()) or 1.0
    return RoundedLayer(name, bits, float(rounded.plain_error.sum()) / variance, float(rounded.error.sum()) / variance)


def add_shift(candidate: Candidate, shift: Doubles) -> None:
    """Adds ``shift`` [n] to the product of the layer, behind it; a later pass folds it into the bias."""
    added = shift_of(candidate, shift)
    if added.any():
        add_to_output(candidate.node, initializer(added), f"{candidate.name}.bias")


def add_to_output(node: ir.Node, constant: ir.Value, name: str) -> None:
    """Adds ``constant``, which is in no graph yet, to what ``node`` gives; it is an initializer called ``name``."""
    graph, old = graph_of(node), node.outputs[0]
    added = ir.node("Add", [old, constant])
    new = added.outputs[0]
    new.shape, new.type = old.shape, old.type
    graph.insert_after(node, added)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    added.replace_input_with(0, old)
    new.name, old.name = old.name, free_name(f"{old.name}.unshifted", set(ir.convenience.create_value_mapping(graph)))
    register(graph, constant, name)
