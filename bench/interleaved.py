"""What the benchmarks share: rounds in which rivals take turns, and the files that results are written to.

Each round runs every rival for a slice of time, one after the other, so that a drifting clock and noisy neighbours
hit all alike; a speed-up is the median of the rounds' ratios.
"""

import json
import os
import pathlib
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from qcompile import bfloat16_ops, ops, runtime
from qcompile.comparison import worst_ratio
from qcompile.reference import evaluate

SEED = 20240501
SLICE_SECONDS = 0.015


def mean_us(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls * 1e6


def hot_round(calls: Sequence[Callable[[], object]]) -> list[float]:
    """The mean time of each call, in microseconds, over a slice of time."""
    times = []
    for call in calls:
        once = mean_us(call, 1)
        times.append(mean_us(call, max(1, round(SLICE_SECONDS / once * 1e6))))
    return times


def medians(rounds: list[list[float]]) -> tuple[float, float, float]:
    """The median times of the packed and the float call, and the median ratio."""
    packed, plain = (statistics.median(column) for column in zip(*rounds, strict=True))
    return packed, plain, statistics.median(round_[1] / round_[0] for round_ in rounds)


def three_medians(rounds: list[list[float]]) -> dict[str, float]:
    """The medians of the packed, the float and the bfloat16 call, and of the ratios to the last."""
    packed, plain, bfloat16 = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "packed_us": packed,
        "float_us": plain,
        "speedup": statistics.median(round_[1] / round_[0] for round_ in rounds),
        "bfloat16_us": bfloat16,
        "bfloat16_speedup": statistics.median(round_[1] / round_[2] for round_ in rounds),
        "bfloat16_gain": statistics.median(round_[0] / round_[2] for round_ in rounds),
    }


def session_call(model: bytes, feeds: Mapping[str, npt.NDArray[Any]], *, library: bool = True) -> Callable[[], Any]:
    """A call that runs ``model`` on one thread and gives its first output."""
    session = runtime.session(model, threads=1, library=library)
    return lambda: session.run(None, dict(feeds))[0]


def in_bfloat16(packed: bytes) -> bytes:
    """A packed model of one float layer with the operator that rounds to bfloat16 in its place."""
    model = onnx.load_model_from_string(packed)
    node, stored = model.graph.node[0], model.graph.initializer
    node.op_type = bfloat16_ops.BFLOAT16_OF[node.op_type]
    codebook = next(tensor for tensor in stored if tensor.name == "codebook")
    rounded = bfloat16_ops.round_codebook(numpy_helper.to_array(codebook))
    codebook.CopyFrom(numpy_helper.from_array(rounded, "codebook"))
    return model.SerializeToString()


def one_node_model(node: onnx.NodeProto, initializers: dict[str, npt.NDArray[np.generic]]) -> bytes:
    """A model of ``node``, whose input is x and output y."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "bench",
        [value("x", onnx.TensorProto.FLOAT, None)],
        [value("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, ops.DOMAIN_VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def check_agree(packed: bytes, feeds: Mapping[str, npt.NDArray[Any]], calls: Sequence[Callable[[], Any]]) -> None:
    """Raises ValueError unless every call keeps the float64 reference's bound: what is timed is the same product."""
    wanted = evaluate(onnx.load_model_from_string(packed), feeds)["y"]
    ratios = [worst_ratio(call(), wanted) for call in calls]
    if max(ratios) > 1:
        raise ValueError(f"a rival computes something else: differences are {ratios} of their bound")


def settings_of(script: str, rounds: int, **more: object) -> dict[str, object]:
    """What a result depends on."""
    info = runtime.runtime_info()
    return {
        "command": shlex.join(["python", script, *sys.argv[1:]]),
        "processor": f"{_processor()}, kernels for {info.isa}",
        "versions": f"qcompile {info.version}, onnxruntime {info.onnxruntime}, numpy {np.__version__}",
        "load average": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
        **more,
        "rounds": rounds,
        "seed": SEED,
    }


def publish(text: str, settings: Mapping[str, object], figures: Sequence[Any], output: pathlib.Path | None) -> None:
    """Prints ``text``; with ``output`` also writes it to OUTPUT.md, and the figures to OUTPUT.json."""
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.with_suffix(".md").write_text(text)
        records = {**settings, "figures": [asdict(figure) for figure in figures]}
        output.with_suffix(".json").write_text(json.dumps(records, indent=2) + "\n")


def _processor() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
