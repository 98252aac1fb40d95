"""Times a packed file against the float one: interleaved in one run, so that a drifting clock hits all alike."""

import io
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt
import onnx
import onnxruntime
import rich.box
import rich.console
import rich.markup
import rich.table

from qcompile import ops, runtime
from qcompile.errors import QCompileError
from qcompile.json_text import to_json
from qcompile.layer_times import LayerTime, time_layers
from qcompile.loading import load_model
from qcompile.random_inputs import random_inputs
from qcompile.text import printable

Array = npt.NDArray[Any]
PACKED = "packed, our kernels"
PORTABLE = "packed, stock onnxruntime"
FLOAT = "float, stock onnxruntime"
SECONDS = 0.6  # each contender runs at least this long, over all rounds
NAME_LENGTH = 60
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Timing:
    """One contender: the median over rounds of the mean time of a call, and of the ratio to the baseline's time.

    ``best_us`` is the best round. ``speedup`` above 1 means faster than the baseline.
    """

    contender: str
    latency_us: float
    best_us: float
    speedup: float


@dataclass(frozen=True)
class Benchmark:
    """Timings of one packed file; ``baseline`` is the contender that has the speedup 1.

    ``inputs`` are the shapes that were run, ``layers`` the times of the packed file's nodes where they were asked for.
    """

    path: str
    baseline: str
    threads: int
    batch: int
    rounds: int
    isa: str
    onnxruntime_version: str
    inputs: dict[str, tuple[int, ...]]
    timings: tuple[Timing, ...]
    layers: tuple[LayerTime, ...] | None

    def as_json(self) -> str:
        """The benchmark as a JSON object."""
        return to_json(self)

    def as_text(self) -> str:
        """The benchmark as tables for a terminal."""
        output = io.StringIO()
        console = rich.console.Console(file=output, width=160)
        if self.layers is not None:
            console.print(_layers_table(self.layers))
        console.print(_timings_table(self.timings))
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{output.getvalue()}batch {self.batch}, {threads}, {self.rounds} rounds, kernels for {self.isa}"


def bench_file(
    path: str | pathlib.Path,
    *,
    against: str | pathlib.Path | None = None,
    inputs: Mapping[str, Array] | None = None,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    threads: int = 1,
    rounds: int = 21,
    seconds: float = SECONDS,
    layers: bool = False,
    progress: Progress = lambda _: None,
) -> Benchmark:
    """Times the packed file ``path`` with our kernels, on stock onnxruntime, and the float file ``against``.

    ``inputs`` maps input names to arrays; without them random ones are made, see ``random_inputs`` for ``batch`` and
    ``shapes``. The baseline is the float file, or stock onnxruntime where there is none. Weights are hot: each call
    uses the same ones. ``seconds`` are those of a contender in all; with ``layers`` the nodes are timed for as long.

    Raises QCompileError if a file is no model or the inputs do not fit it.
    """
    model = load_model(path)
    feeds = dict(inputs) if inputs is not None else random_inputs(model, batch=batch, shapes=shapes)
    sessions = _sessions(path, model, against, threads)
    for name, session in sessions.items():
        _first_call(name, session, feeds)
    times = _rounds(sessions, feeds, rounds, seconds, progress)
    if layers:
        progress("profiling the layers")
    baseline = FLOAT if FLOAT in sessions else list(sessions)[-1]
    return Benchmark(
        path=str(path),
        baseline=baseline,
        threads=threads,
        batch=next((array.shape[0] for array in feeds.values() if array.ndim), 1),
        rounds=rounds,
        isa=runtime.runtime_info().isa,
        onnxruntime_version=onnxruntime.__version__,
        inputs={name: array.shape for name, array in feeds.items()},
        timings=tuple(_timing(name, times[name], times[baseline]) for name in sessions),
        layers=time_layers(path, feeds, threads=threads, seconds=seconds) if layers else None,
    )


def _sessions(
    path: str | pathlib.Path, model: onnx.ModelProto, against: str | pathlib.Path | None, threads: int
) -> dict[str, onnxruntime.InferenceSession]:
    sessions = {PACKED: runtime.session(path, threads=threads)}
    if any(function.domain == ops.DOMAIN for function in model.functions):
        sessions[PORTABLE] = runtime.session(path, threads=threads, library=False)
    if against is not None:
        sessions[FLOAT] = runtime.session(against, threads=threads, library=False)
    return sessions


def _first_call(name: str, session: onnxruntime.InferenceSession, feeds: Mapping[str, Array]) -> None:
    try:
        session.run(None, dict(feeds))
    except Exception as error:  # onnxruntime's errors share no public base class
        given = ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in feeds.items())
        raise QCompileError(f"bench: {name}: given {given} (others: --shape, --inputs): {error}") from error


def _rounds(
    sessions: Mapping[str, onnxruntime.InferenceSession],
    feeds: Mapping[str, Array],
    rounds: int,
    seconds: float,
    progress: Progress,
) -> dict[str, list[float]]:
    """For each session the mean time of a call in each round, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    progress(f"timing {len(sessions)} contenders, about {len(sessions) * seconds:.0f} s")
    for _ in range(rounds):
        for name, session in sessions.items():
            times[name].append(_mean_call_seconds(session, feeds, seconds / rounds))
    return times


def _mean_call_seconds(session: onnxruntime.InferenceSession, feeds: Mapping[str, Array], seconds: float) -> float:
    """The mean time of a call over at least ``seconds``."""
    arguments, calls, start = dict(feeds), 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or not calls:
        session.run(None, arguments)
        calls += 1
    return elapsed / calls


def _timing(name: str, seconds: list[float], baseline_seconds: list[float]) -> Timing:
    ratios = [base / own for own, base in zip(seconds, baseline_seconds, strict=True)]
    return Timing(name, statistics.median(seconds) * 1e6, min(seconds) * 1e6, statistics.median(ratios))


def _timings_table(timings: Sequence[Timing]) -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for column in ("latency", "best", "speed-up"):
        table.add_column(column, justify="right")
    for timing in timings:
        latency, best = f"{timing.latency_us:,.1f} us", f"{timing.best_us:,.1f} us"
        table.add_row(timing.contender, latency, best, f"{timing.speedup:.2f}x")
    return table


def _layers_table(layers: Sequence[LayerTime]) -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    total = sum(layer.time_us or 0 for layer in layers)
    footers = {"operator": "all", "time": f"{total:,.0f} us"}
    for column in ("operator", "layer", "time", "share", "multiply-adds", "GOP/s", "kernel"):
        justify: Literal["left", "right"] = "left" if column in ("operator", "layer", "kernel") else "right"
        table.add_column(column, justify=justify, footer=footers.get(column, ""))
    for layer in layers:
        alone = layer.time_us is not None
        table.add_row(
            rich.markup.escape(printable(layer.operator)),
            rich.markup.escape(printable(layer.name)[:NAME_LENGTH]),
            f"{layer.time_us:,.1f} us" if alone else "fused or folded",
            f"{layer.share:.1%}" if alone else "-",
            "-" if layer.multiply_adds is None else f"{layer.multiply_adds:,}",
            "-" if layer.giga_operations is None else f"{layer.giga_operations:,.1f}",
            layer.kernel or "-",
        )
    return table
