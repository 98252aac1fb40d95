"""Measures the table that a search for a latency budget reads: the time of each layer at each pair of bits."""

import pathlib
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import onnx

from qcompile import runtime
from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.layer_times import time_layers
from qcompile.loading import load_model
from qcompile.ops import DOMAIN
from qcompile.search import LatencyTable

Feeds = Mapping[str, npt.NDArray[Any]]
_TABLE = "IntegerTable"
_LEAST_RUNS = 20


@dataclass(frozen=True)
class TimedPlan:
    """A network as it ran at the bits of ``plan``: milliseconds by layer, and of all that belongs to no layer."""

    plan: BitPlan
    layers_ms: Mapping[str, float]
    other_ms: float


def time_plan(path: pathlib.Path, plan: BitPlan, feeds: Feeds, *, threads: int = 1, seconds: float = 0.5) -> TimedPlan:
    """The packed file ``path``, which was compiled at the bits of ``plan``, with our kernels.

    A table that rounds codes for a layer counts with that layer. A profile slows runs down: its times are scaled so
    that all together take what a run without it takes. Takes about twice ``seconds``.
    """
    model = load_model(path)
    owners = owners_of(model, set(plan))
    parts = dict.fromkeys(plan, 0.0)
    other = 0.0
    for layer in time_layers(path, feeds, threads=threads, seconds=seconds):
        owner = owners.get(layer.name)
        if owner is None:
            other += layer.time_us or 0.0
        else:
            parts[owner] += layer.time_us or 0.0
    scale = _whole_ms(path, feeds, threads, seconds) / (other + sum(parts.values()))
    return TimedPlan(plan, {name: part * scale for name, part in parts.items()}, other * scale)


def owners_of(model: onnx.ModelProto, layers: set[str]) -> dict[str, str]:
    """The layer that each node of ``model`` counts with, by the node's name; not there where there is none."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    owners = {node.name: node.name for node in model.graph.node if node.name in layers}
    for node in model.graph.node:
        reading = {reader.name for reader in readers.get(node.output[0], [])}
        if node.domain == DOMAIN and node.op_type == _TABLE and len(reading) == 1 and reading <= layers:
            owners[node.name] = next(iter(reading))
    return owners


def make_table(timed: Sequence[TimedPlan], notes: Mapping[str, Any]) -> LatencyTable:
    """The table of what was measured: of a layer's bits that several plans have the mean, of all else the median."""
    found: dict[str, dict[LayerBits, list[float]]] = {}
    for each in timed:
        for layer, time_ms in each.layers_ms.items():
            found.setdefault(layer, {}).setdefault(each.plan[layer], []).append(time_ms)
    times = {
        layer: {bits: statistics.fmean(values) for bits, values in sorted(by_bits.items())}
        for layer, by_bits in found.items()
    }
    return LatencyTable(times, statistics.median(each.other_ms for each in timed), notes)


def _whole_ms(path: pathlib.Path, feeds: Feeds, threads: int, seconds: float) -> float:
    """The median of a run, without a profile."""
    session = runtime.session(path, threads=threads)
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < _LEAST_RUNS or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        session.run(None, dict(feeds))
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times)
