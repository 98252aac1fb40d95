"""Times a packed file against the float one: interleaved in one run, so that a drifting clock hits all alike."""

import io
import pathlib
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import rich.box
import rich.console
import rich.table

from qcompile import ops, runtime
from qcompile.errors import QCompileError
from qcompile.json_text import to_json
from qcompile.loading import load_model
from qcompile.verification import seeded_inputs

Array = npt.NDArray[Any]
PACKED = "packed, our kernels"
PORTABLE = "packed, stock onnxruntime"
FLOAT = "float, stock onnxruntime"
SLICE_SECONDS = 0.03  # each contender runs at least this long in a round


@dataclass(frozen=True)
class Timing:
    """One contender: the median over rounds of the mean time of a call, and of the ratio to the baseline's time.

    ``speedup`` above 1 means faster than the baseline.
    """

    contender: str
    latency_us: float
    speedup: float


@dataclass(frozen=True)
class Benchmark:
    """Timings of one packed file; ``baseline`` is the contender that has the speedup 1."""

    path: str
    baseline: str
    threads: int
    batch: int
    rounds: int
    isa: str
    onnxruntime_version: str
    timings: tuple[Timing, ...]

    def as_json(self) -> str:
        """The benchmark as a JSON object."""
        return to_json(self)

    def as_text(self) -> str:
        """The benchmark as a table for a terminal."""
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("")
        table.add_column("latency", justify="right")
        table.add_column("speed-up", justify="right")
        for timing in self.timings:
            table.add_row(timing.contender, f"{timing.latency_us:,.1f} us", f"{timing.speedup:.2f}x")
        output = io.StringIO()
        rich.console.Console(file=output, width=100).print(table)
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{output.getvalue()}batch {self.batch}, {threads}, {self.rounds} rounds, kernels for {self.isa}"


def bench_file(
    path: str | pathlib.Path,
    *,
    against: str | pathlib.Path | None = None,
    inputs: Mapping[str, Array] | None = None,
    batch: int = 1,
    threads: int = 1,
    rounds: int = 21,
) -> Benchmark:
    """Times the packed file ``path`` with our kernels, on stock onnxruntime, and the float file ``against``.

    ``inputs`` maps input names to arrays; without them ``batch`` seeded ones are made. The baseline is the float
    file, or stock onnxruntime where there is none. Weights are hot: each call uses the same ones.

    Raises QCompileError if a file is no model or the inputs do not fit it.
    """
    model = load_model(path)
    feeds = dict(inputs) if inputs is not None else _batch_of(seeded_inputs(model), batch)
    sessions = _sessions(path, model, against, threads)
    for name, session in sessions.items():
        _first_call(name, session, feeds)
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            seconds[name].append(_mean_call_seconds(session, feeds))
    baseline = FLOAT if FLOAT in sessions else list(sessions)[-1]
    return Benchmark(
        path=str(path),
        baseline=baseline,
        threads=threads,
        batch=len(next(iter(feeds.values()))),
        rounds=rounds,
        isa=runtime.runtime_info().isa,
        onnxruntime_version=onnxruntime.__version__,
        timings=tuple(_timing(name, seconds[name], seconds[baseline]) for name in sessions),
    )


def _batch_of(feeds: Mapping[str, Array], batch: int) -> dict[str, Array]:
    """``feeds`` with the first ``batch`` samples, repeated where there are fewer."""
    return {name: np.resize(array, (batch, *array.shape[1:])) for name, array in feeds.items()}


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
        raise QCompileError(f"bench: {name}: {error}") from error


def _mean_call_seconds(session: onnxruntime.InferenceSession, feeds: Mapping[str, Array]) -> float:
    """The mean time of a call over at least SLICE_SECONDS."""
    arguments, calls, start = dict(feeds), 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SLICE_SECONDS or not calls:
        session.run(None, arguments)
        calls += 1
    return elapsed / calls


def _timing(name: str, seconds: list[float], baseline_seconds: list[float]) -> Timing:
    ratios = [base / own for own, base in zip(seconds, baseline_seconds, strict=True)]
    return Timing(name, statistics.median(seconds) * 1e6, statistics.median(ratios))
