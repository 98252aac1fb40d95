"""What a report says of this machine: what it is, and how long the file takes on it."""

import pathlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qcompile.benchmark import FLOAT, PACKED, Benchmark, bench_file
from qcompile.layer_times import LayerTime
from qcompile.loading import load_model
from qcompile.packed_model import PackedLayer
from qcompile.peak_memory import peak_memory_bytes
from qcompile.random_inputs import random_inputs
from qcompile.runtime import runtime_info

ROUNDS = 11


@dataclass(frozen=True)
class Machine:
    """What ran the file: the processor, the instruction set that the kernels use, versions."""

    processor: str
    architecture: str
    isa: str
    kernels_version: str
    onnxruntime: str


@dataclass(frozen=True)
class Timing:
    """One call with our kernels, medians in microseconds; ``float_us`` on stock onnxruntime, None without a float file.

    ``inputs`` are the shapes that were run. ``memory_bytes``: by how much loading and one call raise the largest
    resident memory of a process that has onnxruntime loaded; None where this system does not tell.
    ``other_share``: the part of the time of all nodes that belongs to no packed layer, 0 to 1.
    """

    latency_us: float
    float_us: float | None
    threads: int
    inputs: dict[str, tuple[int, ...]]
    memory_bytes: int | None
    other_share: float


@dataclass(frozen=True)
class Measured:
    """A report's ``timing``, and the time of the packed layers: microseconds and share of all nodes, by output."""

    timing: Timing
    layers: Mapping[str, tuple[float, float]]


def describe_machine() -> Machine:
    """What this machine is. Raises QCompileError if the kernel library is missing."""
    info = runtime_info()
    return Machine(_processor(), platform.machine(), info.isa, info.version, info.onnxruntime)


def measure(
    path: str | pathlib.Path,
    layers: Sequence[PackedLayer],
    *,
    against: str | pathlib.Path | None = None,
    threads: int = 1,
    seconds: float = 0.6,
) -> Measured:
    """Times the packed file ``path``, whose packed layers are ``layers``, on inputs that are made up.

    Takes about three times ``seconds``. Raises QCompileError if the library is missing or the file does not run.
    """
    feeds = random_inputs(load_model(path))
    bench = bench_file(
        path, against=against, inputs=feeds, threads=threads, rounds=ROUNDS, seconds=seconds, layers=True
    )
    times = _times_of(layers, bench.layers or ())
    timing = Timing(
        latency_us=_latency(bench, PACKED) or 0.0,
        float_us=_latency(bench, FLOAT),
        threads=threads,
        inputs={name: tuple(map(int, array.shape)) for name, array in feeds.items()},
        memory_bytes=peak_memory_bytes(path, feeds, threads=threads),
        other_share=max(0.0, 1 - sum(share for _, share in times.values())),
    )
    return Measured(timing, times)


def _latency(bench: Benchmark, contender: str) -> float | None:
    return next((timing.latency_us for timing in bench.timings if timing.contender == contender), None)


def _times_of(layers: Iterable[PackedLayer], times: Sequence[LayerTime]) -> dict[str, tuple[float, float]]:
    """By the output of a layer its time, with that of its corrections; not there where the profile names it not.

    Two nodes of one name cannot be told apart: then neither has a time.
    """
    by_name: dict[str, list[LayerTime]] = {}
    for each in times:
        by_name.setdefault(each.name, []).append(each)
    found = {}
    for layer in layers:
        nodes = [layer.node, *([layer.corrections.node] if layer.corrections else [])]
        own = [by_name.get(node.name, []) for node in nodes]
        if all(len(rows) == 1 and rows[0].time_us is not None for rows in own):
            microseconds = sum(rows[0].time_us or 0.0 for rows in own)
            found[layer.node.output[0]] = (microseconds, sum(rows[0].share for rows in own))
    return found


def _processor() -> str:
    """The name of the processor as Linux has it, or of its architecture."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
