"""Runs a model in onnxruntime, batch by batch, and counts the values of the tensors that are wanted."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import google.protobuf.message
import numpy.typing as npt
import onnx
import onnxruntime

from qcompile import ops, runtime
from qcompile.calibration.readers import Reader
from qcompile.calibration.statistics import Statistics
from qcompile.errors import DataError, QCompileError
from qcompile.inference import run_session

Array = npt.NDArray[Any]
Observe = Callable[[Mapping[str, Array]], dict[str, Array]]


def collect(model: onnx.ModelProto, reader: Reader, statistics: Statistics) -> Iterator[Statistics]:
    """``statistics`` continued: those after each further batch of ``reader``, then the finished ones.

    The batches that ``statistics`` have already are taken from ``reader`` and dropped.

    Raises QCompileError if the model does not run, or the reader's batches do not fit it or end too early.
    """
    observe = observer(model, list(statistics.histograms))
    _skip(reader, statistics.batches)
    while (feed := reader.get_next()) is not None:
        statistics = statistics.with_batch(observe(feed))
        yield statistics
    yield statistics.at_the_end()


def check_names(model: onnx.ModelProto, names: list[str]) -> None:
    """Raises QCompileError unless each of ``names`` is an input of the model or computed in its graph."""
    known = [*_inputs(model), *(name for node in model.graph.node for name in node.output if name)]
    for name in sorted(set(names) - set(known)):
        near = difflib.get_close_matches(name, known) or known[:5]
        raise QCompileError(f"the model computes no tensor {name!r}; near it are {', '.join(near)}")


def observer(model: onnx.ModelProto, names: list[str], *, optimized: bool = True) -> Observe:
    """What maps a batch of inputs to the tensors ``names``, inputs or computed tensors of ``model``, and the inputs.

    Not ``optimized``, every node is computed as it is written: onnxruntime's own integers round a little differently.
    """
    inputs = _inputs(model)
    computed = [name for name in names if name not in inputs]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    _forget_types(exposed.graph)  # onnxruntime infers them; what the model says of them may be wrong
    if computed:  # else the model's own outputs stay: running it checks the inputs
        del exposed.graph.output[:]
        exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)  # onnxruntime infers the types
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would log is raised as well
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.session(_as_bytes(exposed), library=_wants_library(model), options=options)

    def observe(feed: Mapping[str, Array]) -> dict[str, Array]:
        outputs = run_session(session, feed)
        return {**feed, **dict(zip(computed, outputs, strict=False))}  # none computed: outputs that nobody wants

    return observe


def _as_bytes(model: onnx.ModelProto) -> bytes:
    try:
        return bytes(model.SerializeToString())
    except google.protobuf.message.EncodeError as error:
        raise QCompileError(
            f"the model is too large to run whole on samples: {error}; onnxruntime takes less than 2 GB at once. "
            "Compile it without samples, or in parts: onnx.utils.extract_model cuts it."
        ) from error


def _forget_types(graph: onnx.GraphProto) -> None:
    """Takes away what ``graph`` and its subgraphs say of values inside."""
    del graph.value_info[:]
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                _forget_types(inner)


def _inputs(model: onnx.ModelProto) -> list[str]:
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value.name for value in model.graph.input if value.name not in stored]


def _wants_library(model: onnx.ModelProto) -> bool:
    """Whether there are operators of ours and the library is there; without their bodies it has to be."""
    if all(opset.domain != ops.DOMAIN for opset in model.opset_import):
        return False
    if all(function.domain != ops.DOMAIN for function in model.functions):
        return True
    try:
        runtime.library_path()
    except QCompileError:
        return False
    return True


def _skip(reader: Reader, batches: int) -> None:
    for number in range(batches):
        if reader.get_next() is None:
            raise DataError(
                f"the cache has {batches} batches, the reader gave only {number}. Give the reader that made it, "
                "or delete the cache."
            )
