"""Tries a packed model before it is called done: onnxruntime must load it and run it on a small batch.

With basic graph optimizations only: the others cost more than all the rest.
"""

import pathlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from qcompile import runtime
from qcompile.errors import DataError, ModelError, QCompileError
from qcompile.inference import run_session
from qcompile.normalizing import all_nodes
from qcompile.ops import DOMAIN
from qcompile.random_inputs import random_inputs

KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", DOMAIN}
MOST_INPUT_NUMBERS = 1 << 24  # of made up inputs: more would be no small batch

Batch = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Trial:
    """How far a packed model was tried, in words; ``not_run`` says why it was not run, empty where it was."""

    seconds: float
    not_run: str = ""


def try_packed(data: bytes, model: onnx.ModelProto, sample: Batch | None, source: pathlib.Path) -> Trial:
    """Loads and runs the packed model ``data``, with our kernels where they are there.

    ``model`` is its parsed form; constants need not have their numbers.

    Runs on ``sample``, or on inputs made up where their shapes are known. Operators of domains that onnxruntime does
    not have stop nothing, nor does a made up input that ``source``, the file that was compiled, refuses too.

    Raises ModelError if onnxruntime does not load the model, or not run it on ``sample``.
    """
    start = time.perf_counter()
    not_run = _foreign_operators(model)
    if not not_run:
        batches = _batches(model, sample)
        session = _session(data, model, source)
        if session is None:
            not_run = "it has no function bodies and the kernel library is not there"
        else:
            not_run = (
                _run(session, batches, source, given=sample is not None)
                if batches
                else "no small inputs can be made up"
            )
    return Trial(time.perf_counter() - start, not_run)


def _foreign_operators(model: onnx.ModelProto) -> str:
    known = KNOWN_DOMAINS | {function.domain for function in model.functions}
    foreign = sorted({node.domain for node in all_nodes(model.graph.node)} - known)
    return f"it has operators of {', '.join(foreign)}, which this onnxruntime does not have" if foreign else ""


def _session(data: bytes, model: onnx.ModelProto, source: pathlib.Path) -> onnxruntime.InferenceSession | None:
    """A session of ``data``: with our kernels, or on the bodies where the library is not there; None with neither.

    The bodies alone take seconds to load, a hundred times as long: qcompile verify runs them as well.
    """
    library = runtime.has_library()
    used = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    if not library and not used <= {function.name for function in model.functions}:
        return None
    try:
        return runtime.session(data, threads=1, library=library, options=_plain_options())
    except QCompileError as error:
        packed = " ".join(str(error).split())
    _source_session(source)
    raise ModelError(f"onnxruntime loads it, but not what was compiled: {packed}. Please report this.")


def _source_session(source: pathlib.Path) -> onnxruntime.InferenceSession:
    """A session of the model before compiling; ModelError where onnxruntime does not load that."""
    try:
        return runtime.session(source, threads=1, library=False, options=_plain_options())
    except QCompileError as error:
        why = " ".join(str(error).split()).removeprefix(f"{source}: ")
        raise ModelError(f"onnxruntime does not load it, before compiling either: {why}. Mend the model.") from error


def _plain_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would log is raised as well
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return options


def _batches(model: onnx.ModelProto, sample: Batch | None) -> list[Batch]:
    """What to try in turn: the first row of the sample, then all of it, or made up inputs; none where there are none.

    The first row alone may not fit: not every model is free in its first axis.
    """
    if sample is not None:
        rows = {array.shape[:1] for array in sample.values()}
        first = [{name: array[:1] for name, array in sample.items()}] if len(rows) == 1 and () not in rows else []
        return [*first, sample]
    if _made_up_numbers(model) > MOST_INPUT_NUMBERS:
        return []
    try:
        return [random_inputs(model)]
    except DataError:
        return []


def _made_up_numbers(model: onnx.ModelProto) -> int:
    shapes = [value.type.tensor_type.shape.dim for value in model.graph.input]
    return sum(int(np.prod([float(max(dim.dim_value, 1)) for dim in shape])) for shape in shapes)


def _run(session: onnxruntime.InferenceSession, batches: list[Batch], source: pathlib.Path, *, given: bool) -> str:
    """Runs until a batch is taken; why none was, where that is no fault of the packed model."""
    for batch in batches:
        try:
            run_session(session, batch)
        except QCompileError as error:
            refused = " ".join(str(error).split())
        else:
            return ""
    if not given and _source_refuses(source, batches[-1]):
        return f"the model before compiling does not run on made up inputs either: {refused}"
    where = "the samples" if given else "made up inputs, the model before compiling does"
    raise ModelError(f"the packed model does not run on {where}: {refused}. Please report this.")


def _source_refuses(source: pathlib.Path, batch: Batch) -> bool:
    session = _source_session(source)
    try:
        run_session(session, batch)
    except QCompileError:
        return True
    return False
