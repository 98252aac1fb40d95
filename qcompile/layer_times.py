"""The time of each layer of a file: what onnxruntime's own profile says, beside what the layer has to do."""

import json
import math
import pathlib
import re
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import onnx
import onnxruntime

from qcompile import ops, runtime
from qcompile.errors import QCompileError
from qcompile.kernel_choice import kernels_of
from qcompile.loading import load_model
from qcompile.multiply_adds import multiply_adds

WARM_RUNS = 3  # left out of the times
MIN_RUNS, MAX_RUNS = 7, 500  # a profile keeps every event of every run
SUFFIX = "_kernel_time"
STOCK = "onnxruntime"
Event = dict[str, Any]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerTime:
    """One node as it ran. ``time_us`` is the mean of the middle half of its runs, which are whole microseconds.

    It is None for a node of the file that did not run by itself: onnxruntime folded it or fused it into another.
    ``share`` is the part of the time of all, 0 to 1; ``giga_operations`` a second, two for each of ``multiply_adds``.
    ``kernel`` is ours as `qcompile report` names it, or "onnxruntime"; None where one of our operators has but one.
    """

    operator: str
    name: str
    time_us: float | None
    share: float
    multiply_adds: int | None
    giga_operations: float | None
    kernel: str | None


def time_layers(
    path: str | pathlib.Path, feeds: Mapping[str, Array], *, threads: int = 1, seconds: float = 0.5
) -> tuple[LayerTime, ...]:
    """The layers of the file ``path`` with our kernels, in the order they run; then those that run not by themselves.

    Raises QCompileError if the file is no model, the library is missing, or ``feeds`` do not fit.
    """
    model = load_model(path)
    nodes = list(model.graph.node)
    names = [node.name for node in nodes]
    for number, node in enumerate(nodes):
        node.name = f"[{number}]"  # onnxruntime needs no names, repeats them, and writes them into JSON as they are
    events = _profile(model, feeds, threads, seconds)
    for node, name in zip(nodes, names, strict=True):
        node.name = name
    kernels = kernels_of(model, {name: array.shape for name, array in feeds.items()})
    return layers_of(events, nodes, kernels)


def layers_of(
    events: Iterable[Event], nodes: Sequence[onnx.NodeProto], kernels: Mapping[str, str]
) -> tuple[LayerTime, ...]:
    """The layers by the ``events`` of a profile, in which the name of ``nodes[i]`` is ``[i]``.

    ``kernels`` are ours by the first output of a node.
    """
    runs: dict[tuple[str, str], list[Event]] = {}
    for event in _outermost(events):
        runs.setdefault((event["name"], event["args"].get("node_index", "")), []).append(event)
    times = {key: _typical_us(own) for key, own in runs.items()}
    total = sum(times.values())
    layers = [_layer(own[-1], times[key], total, nodes, kernels) for key, own in runs.items()]
    ran = {number for name, _ in runs for number in _numbers(name)}
    alone = [node for number, node in enumerate(nodes) if number not in ran]
    return (*layers, *(LayerTime(node.op_type, node.name, None, 0.0, None, None, None) for node in alone))


def _profile(model: onnx.ModelProto, feeds: Mapping[str, Array], threads: int, seconds: float) -> list[Event]:
    """The events of onnxruntime's profile of some runs over about ``seconds``."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="qcompile-") as folder:
        options.profile_file_prefix = str(pathlib.Path(folder, "profile"))
        session = runtime.session(model.SerializeToString(), threads=threads, options=options)
        _run(session, feeds, seconds)
        text = pathlib.Path(session.end_profiling()).read_text(errors="replace")
    try:
        events: list[Event] = json.loads(text)
    except ValueError as error:
        raise QCompileError(f"onnxruntime's profile is no JSON: {error}") from error
    return events


def _run(session: onnxruntime.InferenceSession, feeds: Mapping[str, Array], seconds: float) -> None:
    start, runs = time.perf_counter(), 0
    while runs < WARM_RUNS + MIN_RUNS or (runs < MAX_RUNS and time.perf_counter() - start < seconds):
        try:
            session.run(None, dict(feeds))
        except Exception as error:  # onnxruntime's errors share no public base class
            raise QCompileError(f"bench: {error}") from error
        runs += 1


def _outermost(events: Iterable[Event]) -> list[Event]:
    """The runs of kernels by time, without those inside another: a loop's or a branch's."""
    own = [event for event in events if event.get("cat") == "Node" and event["name"].endswith(SUFFIX)]
    kept: list[Event] = []
    end = -math.inf
    for event in sorted(own, key=lambda event: (event["ts"], -event["dur"])):
        if event["ts"] >= end:
            kept.append(event)
            end = event["ts"] + event["dur"]
    return kept


def _typical_us(events: Sequence[Event]) -> float:
    """As robust as the median, but finer than the whole microseconds of a profile: its runs fall on both sides."""
    durations = sorted(event["dur"] for event in events[WARM_RUNS:] or events)
    left_out = len(durations) // 4
    return statistics.fmean(durations[left_out : len(durations) - left_out])


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\[(\d+)\]", name)]


def _layer(
    event: Event, time_us: float, total_us: float, nodes: Sequence[onnx.NodeProto], kernels: Mapping[str, str]
) -> LayerTime:
    """One row; ``event`` is any run of it."""
    label = event["name"].removesuffix(SUFFIX)
    matched = re.fullmatch(r"\[(\d+)\]", label)
    node = nodes[int(matched[1])] if matched else None
    operator = event["args"].get("op_name", "")
    operations = None if label.endswith("_nchwc") else _multiply_adds(operator, event, node)  # those pad channels
    return LayerTime(
        operator=operator,
        name=re.sub(r"\[(\d+)\]", lambda found: nodes[int(found[1])].name, label),
        time_us=time_us,
        share=time_us / total_us if total_us else 0.0,
        multiply_adds=operations,
        giga_operations=2 * operations / time_us / 1e3 if operations and time_us else None,
        kernel=_kernel(node, kernels),
    )


def _multiply_adds(operator: str, event: Event, node: onnx.NodeProto | None) -> int | None:
    try:
        [output, *_] = _shapes(event["args"]["output_type_shape"])
        return multiply_adds(operator, _shapes(event["args"]["input_type_shape"]), output, _weight_shape(node))
    except (KeyError, IndexError, ValueError):  # a run whose shapes the profile does not tell
        return None


def _shapes(types: Sequence[Mapping[str, Sequence[int]]]) -> list[Sequence[int]]:
    """The shapes of tensors as a profile has them: [{"float": [1, 3]}, ...]."""
    return [shape for by_type in types for shape in by_type.values()]


def _weight_shape(node: onnx.NodeProto | None) -> Sequence[int] | None:
    if node is None or node.domain != ops.DOMAIN:
        return None
    return next((list(a.ints) for a in node.attribute if a.name == "weight_shape"), None)


def _kernel(node: onnx.NodeProto | None, kernels: Mapping[str, str]) -> str | None:
    if node is None or node.domain != ops.DOMAIN:
        return STOCK
    return kernels.get(node.output[0])
