"""Runs one system on one model when asked: `bench/networks.py` keeps a process of this for each rival.

    python bench/network_worker.py SYSTEM MODEL INPUT.npy THREADS [LIBRARY]

Says on stdout, a JSON object a line: first how long loading took, how much memory it and one run cost, and how many
numbers came out; then for each line "SECONDS" on stdin the mean time of a run over that long. Needs nothing of
qcompile, only the system itself.
"""

import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[], Any]


def onnxruntime_run(model: str, x: np.ndarray, threads: int, library: str | None) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if library:
        options.register_custom_ops_library(library)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feeds)[0]


def openvino_run(model: str, x: np.ndarray, threads: int, library: str | None) -> Run:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer({0: x}, share_inputs=True, share_outputs=True)[0]


def litert_run(model: str, x: np.ndarray, threads: int, library: str | None) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    wanted = interpreter.get_input_details()[0]
    if list(wanted["shape"]) != list(x.shape):
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    output = interpreter.get_output_details()[0]["index"]

    def run() -> np.ndarray:  # hands in x and takes y out each time, as the others do
        interpreter.set_tensor(wanted["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return run


SYSTEMS = {"onnxruntime": onnxruntime_run, "openvino": openvino_run, "litert": litert_run}


def import_system(system: str) -> None:
    """Imports before memory is measured: what a library costs by itself is not the model's."""
    if system == "onnxruntime":
        import onnxruntime  # noqa: F401
    elif system == "openvino":
        import openvino  # noqa: F401
    else:
        import ai_edge_litert.interpreter  # noqa: F401


def peak_kb() -> int:
    """The largest resident memory of this process so far; the one that getrusage gives begins with its parent's."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def mean_us(run: Run, seconds: float) -> float:
    """The mean time of a run over about ``seconds``."""
    start = time.perf_counter()
    count = 0
    while (passed := time.perf_counter() - start) < seconds or count == 0:
        run()
        count += 1
    return passed / count * 1e6


def main() -> None:
    system, model, x_path, threads, *library = sys.argv[1:]
    import_system(system)
    x = np.load(x_path)
    before = peak_kb()
    start = time.perf_counter()
    run = SYSTEMS[system](model, x, int(threads), library[0] if library else None)
    load_ms = (time.perf_counter() - start) * 1e3
    numbers = int(np.isfinite(run()).sum())
    print(json.dumps({"load_ms": load_ms, "memory_mb": (peak_kb() - before) / 1024, "numbers": numbers}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"mean_us": mean_us(run, float(line))}), flush=True)


if __name__ == "__main__":
    main()
