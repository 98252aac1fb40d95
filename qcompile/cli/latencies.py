"""What `qcompile bench --table` does: times the layers of a one-shot run at every pair of bits."""

import pathlib
import tempfile
from collections.abc import Callable

import numpy as np

from qcompile.errors import QCompileError
from qcompile.extras import require_training
from qcompile.files import write_atomically


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
    from qcompile.search import write_latencies

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
    try:
        write_atomically(table, write_latencies(make_table(timed, notes)).encode())
    except OSError as error:
        raise QCompileError(f"{table}: cannot be written: {error.strerror}") from error
    return (
        f"{table}: the times of {len(supernet.layers)} layers at {len(plans)} plans; next, qcompile search --latencies"
    )
