"""Re-derives what a packed file claims: its bytes, and that every way to run it gives the reference's numbers."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from qcompile import ops, reference, runtime
from qcompile.bounded import Bounded
from qcompile.comparison import Comparison, compare, worst_ratio
from qcompile.errors import DataError, ModelError, QCompileError
from qcompile.json_text import to_json
from qcompile.loading import load_model
from qcompile.packed_model import PackedLayer, embedded_plan, packed_layers
from qcompile.text import printable_lines

Array = npt.NDArray[Any]
Run = Callable[[onnx.ModelProto, Mapping[str, Array]], list[Array]]
SAMPLES = 16  # seeded inputs where none are given
CHUNK = 500  # inputs that the reference takes at once: bounds its memory
STOCK = "stock onnxruntime"


@dataclass(frozen=True)
class Verification:
    """What was checked of one file; ``claims`` are sentences that hold, ``failures`` sentences that do not."""

    path: str
    claims: tuple[str, ...]
    failures: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    float_difference: float | None

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures and all(comparison.passed for comparison in self.comparisons)

    def as_json(self) -> str:
        """The verification as a JSON object."""
        return to_json(self, passed=self.passed)

    def as_text(self) -> str:
        """The verification as lines for a terminal, the verdict last."""
        lines = [f"ok      {claim}" for claim in self.claims] + [f"FAILED  {failure}" for failure in self.failures]
        lines += [comparison.as_text() for comparison in self.comparisons]
        if self.float_difference is not None:
            lines.append(f"note    largest output difference to the float model: {self.float_difference:.4g}")
        lines.append(f"{self.path}: {'verified' if self.passed else 'NOT VERIFIED'}")
        return printable_lines("\n".join(lines))


def verify_file(
    path: str | pathlib.Path,
    *,
    against: str | pathlib.Path | None = None,
    inputs: Mapping[str, Array] | None = None,
) -> Verification:
    """Checks the packed file ``path``: bytes against claims, function bodies and every ISA against the reference.

    ``inputs`` maps input names to arrays [batch, ...]; without them SAMPLES seeded ones in [0, 1) are made.
    ``against`` is the float model whose outputs are compared for information.

    Raises QCompileError if a file is no model, or the inputs do not fit it.
    """
    model = load_model(path)
    claims, failures = _check_claims(model)
    feeds = dict(inputs) if inputs is not None else seeded_inputs(model)
    _check_feeds(model, feeds)
    wanted = evaluate_in_chunks(model, feeds)
    comparisons = tuple(
        dataclasses.replace(compare(name, run(model, feeds), wanted), **_check_layers(model, run, feeds))
        for name, run in _backends(model)
    )
    difference = None if against is None else _difference_to_float(against, feeds, wanted)
    return Verification(str(path), tuple(claims), tuple(failures), comparisons, difference)


def seeded_inputs(model: onnx.ModelProto) -> dict[str, Array]:
    """SAMPLES inputs in [0, 1), the same for the same model.

    Raises DataError if an input is not float32 or a size other than the batch is free.
    """
    random = np.random.default_rng(0)
    feeds: dict[str, Array] = {}
    stored = {tensor.name for tensor in model.graph.initializer}
    for graph_input in model.graph.input:
        if graph_input.name in stored:
            continue
        tensor = graph_input.type.tensor_type
        shape = [dim.dim_value for dim in tensor.shape.dim]
        if tensor.elem_type != onnx.TensorProto.FLOAT or not all(size > 0 for size in shape[1:]):
            raise DataError(f"input {graph_input.name} {shape} cannot be made up; give it: --inputs x.npz")
        batch = shape[0] or SAMPLES if shape else SAMPLES
        feeds[graph_input.name] = random.random((batch, *shape[1:]), dtype=np.float32)
    return feeds


def _check_claims(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """What the bytes say against what the plan says; packed_layers itself raises where the bytes are wrong."""
    layers = packed_layers(model)
    claims = [f"{layer.name}: {layer.weights:,} weights in {_bytes_of(layer)}" for layer in layers]
    failures = []
    plan = embedded_plan(model)
    found = {layer.name: layer for layer in layers}
    for planned in (plan or {}).get("layers", []):
        name, bits = planned.get("name"), planned.get("bits")
        if bits is None:
            continue
        if name not in found:
            failures.append(f"{name}: planned with {bits} bits, is no packed layer of the file")
        elif found[name].bits > bits or max(found[name].entries) > planned.get("entries", 256):
            failures.append(
                f"{name}: planned {bits} bits and {planned.get('entries')} entries, "
                f"the file has {found[name].bits} bits and {max(found[name].entries)} entries"
            )
        else:
            claims.append(f"{name}: {found[name].bits} bits, {bits} planned")
    return claims, failures


def _bytes_of(layer: PackedLayer) -> str:
    packed = f"{layer.indices.nbytes:,} bytes"
    if layer.corrections is None:
        return packed
    return f"{packed}, {layer.corrections.count:,} corrections in {layer.corrections.nbytes:,} bytes"


def evaluate_in_chunks(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Bounded]:
    """The reference's outputs of ``model`` in their order, computed CHUNK inputs at a time."""
    batch = _batch_size(feeds)
    outputs = [output.name for output in model.graph.output]
    parts = []
    for start in range(0, batch, CHUNK):
        values = reference.evaluate(model, {name: array[start : start + CHUNK] for name, array in feeds.items()})
        parts.append([values[name] for name in outputs])
    return [
        Bounded(np.concatenate([p.value for p in column]), np.concatenate([p.error for p in column]))
        for column in zip(*parts, strict=True)
    ]


def _check_feeds(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> None:
    """Raises DataError unless ``feeds`` has each input of ``model``, of its type and shape."""
    stored = {tensor.name for tensor in model.graph.initializer}
    wanted = {i.name: i.type.tensor_type for i in model.graph.input if i.name not in stored}
    if set(feeds) != set(wanted):
        raise DataError(f"the model's inputs are {', '.join(wanted)}; given are {', '.join(feeds) or 'none'}")
    for name, tensor in wanted.items():
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        shape = [dim.dim_value or dim.dim_param or "?" for dim in tensor.shape.dim]
        array = feeds[name]
        fits = len(shape) == array.ndim and all(
            isinstance(size, str) or size == found for size, found in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits:
            raise DataError(f"input {name} is {dtype} {shape} in the model, given {array.dtype} {list(array.shape)}")


def _batch_size(feeds: Mapping[str, Array]) -> int:
    sizes = {array.shape[0] if array.ndim else 0 for array in feeds.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise DataError(f"inputs must share one batch size, at least 1; found {sorted(sizes) or 'no input'}")
    return sizes.pop()


def _backends(model: onnx.ModelProto) -> Iterator[tuple[str, Run]]:
    """Each way to run the model: function bodies (where the file has them), then our kernels for each ISA."""
    if any(function.domain == ops.DOMAIN for function in model.functions):
        yield STOCK, lambda m, feeds: _run(m, feeds, library=False)
    for isa in runtime.runtime_info().isas:
        yield f"kernels, {isa}", partial(_run_forced, isa)


def _run_forced(isa: str, model: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    with _forced_isa(isa):
        return _run(model, feeds, library=True)


def _run(model: onnx.ModelProto, feeds: Mapping[str, Array], *, library: bool) -> list[Array]:
    session = runtime.session(model.SerializeToString(), library=library)
    try:
        return [np.asarray(output) for output in session.run(None, dict(feeds))]
    except Exception as error:  # onnxruntime's errors share no public base class
        raise QCompileError(f"onnxruntime: {error}") from error


def _check_layers(model: onnx.ModelProto, run: Run, feeds: Mapping[str, Array]) -> dict[str, Any]:
    """Each packed layer by itself, on the very input that it had in this run: needs no rule for other operators."""
    nodes = [node for node in model.graph.node if node.domain == ops.DOMAIN]
    initializers = {tensor.name for tensor in model.graph.initializer}
    computed = {node.output[0]: [name for name in node.input if name not in initializers] for node in nodes}
    names = list(dict.fromkeys(name for output, inputs in computed.items() for name in (*inputs, output)))
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    stored = {value.name for value in (*model.graph.output, *model.graph.input)}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in stored)
    few = {name: array[:SAMPLES] for name, array in feeds.items()}
    outputs = dict(zip([o.name for o in exposed.graph.output], run(exposed, few), strict=True)) | few
    ratios = {}
    for node in nodes:
        single = onnx.helper.make_model(onnx.helper.make_graph([node], node.name, [], [], model.graph.initializer))
        given = {name: outputs[name] for name in computed[node.output[0]]}
        wanted = reference.evaluate(single, given)[node.output[0]]
        ratios[node.name] = worst_ratio(outputs[node.output[0]], wanted)
    worst = max(ratios, key=lambda name: ratios[name])
    return {"worst_layer": worst, "worst_layer_ratio": ratios[worst]}


@contextmanager
def _forced_isa(isa: str) -> Iterator[None]:
    """Sets QCOMPILE_FORCE_ISA for a while; the library reads it when a session is created."""
    before = os.environ.get("QCOMPILE_FORCE_ISA")
    os.environ["QCOMPILE_FORCE_ISA"] = isa
    try:
        yield
    finally:
        if before is None:
            del os.environ["QCOMPILE_FORCE_ISA"]
        else:
            os.environ["QCOMPILE_FORCE_ISA"] = before


def _difference_to_float(against: str | pathlib.Path, feeds: Mapping[str, Array], wanted: list[Bounded]) -> float:
    found = _run(load_model(against), feeds, library=False)
    if [f.shape for f in found] != [w.value.shape for w in wanted]:
        raise ModelError(f"{against}: outputs {[list(f.shape) for f in found]} differ in shape from the packed model's")
    return max(float(np.abs(f - w.value).max()) for f, w in zip(found, wanted, strict=True))
