"""Times CodebookMatMul against onnxruntime's float32 MatMul: one thread, interleaved, hot and cold.

    python bench/matmul.py --output docs/results/matmul

Each round runs both for a slice of time, one after the other, so that a drifting clock and noisy neighbours hit both
alike; the speed-up is the median of the rounds' ratios. Hot: the same weights again and again, as far as they fit the
caches. Cold: a buffer larger than the last cache is written before each call, so the weights come from memory.
"""

import json
import os
import pathlib
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import click
import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from qcompile import ops, runtime
from qcompile.packing import pack_bits

SEED = 20240501
SLICE_SECONDS = 0.015
COLD_CALLS = 3  # in a round
EVICTING_BYTES = 128 * 2**20
FEW_ROWS = 8  # up to here every kernel of few rows is used (few_vectors in runtime/compute/multiply.h)
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """x [m, k] times a weight [n, k]; a codebook for the tensor, or one for each output."""

    m: int
    k: int
    n: int
    bits: int
    per_output: bool = False


CASES = (
    *(Case(1, 4096, 4096, bits) for bits in range(1, 9)),
    *(Case(1, 4096, 4096, bits, per_output=True) for bits in (2, 4)),
    Case(1, 784, 300, 4),
    Case(1, 1024, 1024, 4),
    Case(4, 4096, 4096, 4),
    Case(8, 4096, 4096, 4),
    Case(64, 1024, 1024, 4),
    Case(196, 1024, 1024, 4),
)


@dataclass(frozen=True)
class Figures:
    """Medians over rounds; ``cold_*`` are None where x has several rows."""

    case: Case
    kernel: str
    packed_us: float
    float_us: float
    speedup: float
    cold_packed_us: float | None = None
    cold_float_us: float | None = None
    cold_speedup: float | None = None


def one_node_model(node: onnx.NodeProto, initializers: dict[str, npt.NDArray[np.generic]]) -> bytes:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "matmul",
        [value("x", onnx.TensorProto.FLOAT, None)],
        [value("y", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, ops.DOMAIN_VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def packed_and_float(case: Case, random: np.random.Generator) -> tuple[bytes, bytes]:
    """The same weight twice: packed, and as the float32 matrix it stands for."""
    indices = random.integers(0, 2**case.bits, size=(case.n, case.k), dtype=np.uint8)
    groups = case.n if case.per_output else 1
    codebook = np.sort(random.standard_normal((groups, 2**case.bits), dtype=np.float32), axis=1)
    absent = np.zeros(0, np.float32)
    packed = {"indices": pack_bits(indices, case.bits), "codebook": codebook, "scale": absent, "bias": absent}
    shape = [case.n, case.k]
    node = helper.make_node(
        ops.CODEBOOK_MATMUL, list(ops.OPERANDS), ["y"], domain=ops.DOMAIN, bits=case.bits, weight_shape=shape
    )
    weight = ops.decode_weight(packed["indices"], codebook, case.bits, shape)
    plain = helper.make_node("MatMul", ["x", "weight"], ["y"])
    return one_node_model(node, packed), one_node_model(plain, {"weight": np.ascontiguousarray(weight.T)})


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


def cold_round(calls: Sequence[Callable[[], object]], evicting: Floats) -> list[float]:
    times = []
    for call in calls:
        each = []
        for _ in range(COLD_CALLS):
            evicting += 1
            each.append(mean_us(call, 1))
        times.append(statistics.median(each))
    return times


def medians(rounds: list[list[float]]) -> tuple[float, float, float]:
    packed, plain = (statistics.median(column) for column in zip(*rounds, strict=True))
    return packed, plain, statistics.median(round_[1] / round_[0] for round_ in rounds)


def measure(case: Case, rounds: int, evicting: Floats) -> Figures:
    random = np.random.default_rng(SEED)
    x = {"x": random.standard_normal((case.m, case.k), dtype=np.float32)}
    packed, plain = packed_and_float(case, random)
    sessions = (runtime.session(packed, threads=1), runtime.session(plain, threads=1, library=False))
    calls = [lambda session=session: session.run(None, x)[0] for session in sessions]
    np.testing.assert_allclose(calls[0](), calls[1](), rtol=0, atol=1e-4 * case.k)  # the same product, roughly
    hot = medians([hot_round(calls) for _ in range(rounds)])
    cold = medians([cold_round(calls, evicting) for _ in range(rounds)]) if case.m == 1 else (None, None, None)
    return Figures(case, kernel_name(case), *hot, *cold)


def kernel_name(case: Case) -> str:
    kernels = runtime.runtime_info().kernels
    few = kernels[ops.CODEBOOK_MATMUL][case.bits - 1]
    return few if case.m <= FEW_ROWS else kernels[ops.CODEBOOK_CONV][case.bits - 1]


def processor() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def as_markdown(figures: Sequence[Figures], settings: dict[str, object]) -> str:
    lines = [
        "# CodebookMatMul against onnxruntime's float32 MatMul",
        "",
        *(f"* {name}: {value}" for name, value in settings.items()),
        "",
        "Times are medians in microseconds, one thread; the speed-up is the median of the rounds' ratios, above 1 is",
        "faster than float32. How: the head of bench/matmul.py.",
        "",
        "| m x k x n | bits | codebooks | kernel | packed | float32 | speed-up | packed | float32 | speed-up |",
        "|---|---|---|---|---|---|---|---|---|---|",
        "|  |  |  |  | hot | hot | hot | cold | cold | cold |",
        *(as_row(figure) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def as_row(figures: Figures) -> str:
    case = figures.case
    hot = f"{figures.packed_us:.0f} | {figures.float_us:.0f} | **{figures.speedup:.2f}x**"
    cold = "| |"
    if figures.cold_speedup is not None:
        cold = f"{figures.cold_packed_us:.0f} | {figures.cold_float_us:.0f} | {figures.cold_speedup:.2f}x"
    codebooks = case.n if case.per_output else 1
    return f"| {case.m} x {case.k} x {case.n} | {case.bits} | {codebooks} | {figures.kernel} | {hot} | {cold} |"


@click.command()
@click.option("--rounds", default=21, show_default=True, help="Rounds of each case.")
@click.option("--quick", is_flag=True, help="Only 1 x 4096 x 4096 at 4 bits.")
@click.option("--output", type=click.Path(path_type=pathlib.Path), help="Writes OUTPUT.md and OUTPUT.json too.")
def main(rounds: int, quick: bool, output: pathlib.Path | None) -> None:
    """Times CodebookMatMul against onnxruntime's float32 MatMul."""
    evicting = np.zeros(EVICTING_BYTES // 4, np.float32)
    cases = [case for case in CASES if not quick or case == Case(1, 4096, 4096, 4)]
    figures = []
    for case in cases:
        figures.append(measure(case, rounds, evicting))
        print(as_row(figures[-1]), file=sys.stderr)
    info = runtime.runtime_info()
    settings: dict[str, object] = {
        "command": shlex.join(["python", "bench/matmul.py", *sys.argv[1:]]),
        "processor": f"{processor()}, kernels for {info.isa}",
        "versions": f"qcompile {info.version}, onnxruntime {info.onnxruntime}, numpy {np.__version__}",
        "load average": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
        "rounds": rounds,
        "seed": SEED,
    }
    text = as_markdown(figures, settings)
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.with_suffix(".md").write_text(text)
        records = {**settings, "figures": [asdict(figure) for figure in figures]}
        output.with_suffix(".json").write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    main()
