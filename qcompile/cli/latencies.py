"""What `qcompile bench --table` does: times the layers of a one-shot run, or of a float model, at many bits."""

import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qcompile.extras import require_training
from qcompile.files import write_result

if TYPE_CHECKING:
    from qcompile.search import LatencyTable


def write_table_of_model(
    model: pathlib.Path,
    table: pathlib.Path,
    inputs: Mapping[str, npt.NDArray[Any]],
    *,
    activation_bits: int,
    threads: int,
    seconds: float,
    say: Callable[[str], None],
) -> str:
    """Writes the times of the layers of the float ``model`` to ``table``; what there is to tell.

    The first of ``inputs`` is what it runs on, all of them where the model fixes how many. Raises QCompileError if the
    model cannot be compiled, or the library is missing.
    """
    from qcompile.allocation import WIDTHS, measure_latencies
    from qcompile.loading import fixed_batch, load_skeleton

    samples = fixed_batch(load_skeleton(model).proto) or 1
    batch = {name: array[:samples] for name, array in inputs.items()}
    found = measure_latencies(model, batch, WIDTHS, activation_bits, threads=threads, seconds=seconds, tell=say)
    _write(found, table)
    return f"{table}: the times of {len(found.times_ms)} layers; next, qcompile compile --budget --latencies"


def write_table(
    run: pathlib.Path, table: pathlib.Path, *, threads: int, seconds: float, say: Callable[[str], None]
) -> str:
    """Writes the times of the layers of ``run`` to ``table``; what there is to tell.

    Raises QCompileError if ``run`` is no finished one-shot run, or the library is missing.
    """
    require_training("timing a run")
    from qcompile.compiler import compile_file
    from qcompile.frontend.one_shot_run import export_for_timing, input_shape, load_supernet, uniform_pairs
    from qcompile.latency_table import make_table, time_plan
    from qcompile.runtime import runtime_info

    recipe, supernet = load_supernet(run)
    plans, shape = uniform_pairs(supernet), input_shape(recipe)
    feeds = {"input": np.random.default_rng(0).random((1, *shape), np.float32)}
    timed = []
    with tempfile.TemporaryDirectory() as folder:
        exported, packed = (pathlib.Path(folder, name) for name in ("exported.onnx", "packed.onnx"))
        for place, plan in enumerate(plans):
            say(f"plan {place + 1} of {len(plans)}")
            export_for_timing(supernet, plan, shape, exported)
            compile_file(exported, packed)
            timed.append(time_plan(packed, plan, feeds, threads=threads, seconds=seconds))
    notes = {"run": run.name, "threads": threads, "kernels": runtime_info().isa, "plans": len(plans)}
    _write(make_table(timed, notes), table)
    return (
        f"{table}: the times of {len(supernet.layers)} layers at {len(plans)} plans; next, qcompile search --latencies"
    )


def _write(found: "LatencyTable", table: pathlib.Path) -> None:
    from qcompile.search import write_latencies

    write_result(table, write_latencies(found).encode())
