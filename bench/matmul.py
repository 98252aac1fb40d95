"""Times CodebookMatMul against onnxruntime's float32 MatMul: one thread, interleaved, hot and cold.

    python bench/matmul.py --output docs/results/matmul
    python bench/matmul.py --bfloat16 --output docs/results/matmul_bfloat16

Each round runs both for a slice of time, one after the other, so that a drifting clock and noisy neighbours hit both
alike; the speed-up is the median of the rounds' ratios. Hot: the same weights again and again, as far as they fit the
caches. Cold: a buffer larger than the last cache is written before each call, so the weights come from memory.
With --bfloat16 CodebookMatMulBfloat16 takes turns with both, hot only.
"""

import pathlib
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click
import numpy as np
import numpy.typing as npt
import onnx
from interleaved import (
    SEED,
    check_agree,
    hot_round,
    in_bfloat16,
    mean_us,
    medians,
    one_node_model,
    publish,
    session_call,
    settings_of,
    three_medians,
)
from onnx import helper

from qcompile import ops, runtime
from qcompile.kernel_choice import kernels_of
from qcompile.packing import pack_bits

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
BFLOAT16_CASES = (
    *(Case(m, 1024, 1024, 4) for m in (1, 8, 16, 17, 32, 64, 128, 256)),
    *(Case(64, 1024, 1024, bits) for bits in (1, 2, 6, 8)),
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
    bfloat16_us: float | None = None
    bfloat16_speedup: float | None = None  # over float32
    bfloat16_gain: float | None = None  # over CodebookMatMul


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


def cold_round(calls: Sequence[Callable[[], object]], evicting: Floats) -> list[float]:
    times = []
    for call in calls:
        each = []
        for _ in range(COLD_CALLS):
            evicting += 1
            each.append(mean_us(call, 1))
        times.append(statistics.median(each))
    return times


def measure(case: Case, rounds: int, evicting: Floats) -> Figures:
    random = np.random.default_rng(SEED)
    x = {"x": random.standard_normal((case.m, case.k), dtype=np.float32)}
    packed, plain = packed_and_float(case, random)
    sessions = (runtime.session(packed, threads=1), runtime.session(plain, threads=1, library=False))
    calls = [lambda session=session: session.run(None, x)[0] for session in sessions]
    check_agree(packed, x, calls)
    hot = medians([hot_round(calls) for _ in range(rounds)])
    cold = medians([cold_round(calls, evicting) for _ in range(rounds)]) if case.m == 1 else (None, None, None)
    return Figures(case, kernel_name(case), *hot, *cold)


def measure_bfloat16(case: Case, rounds: int) -> Figures:
    random = np.random.default_rng(SEED)
    x = {"x": random.standard_normal((case.m, case.k), dtype=np.float32)}
    packed, plain = packed_and_float(case, random)
    rounded = in_bfloat16(packed)
    calls = [session_call(packed, x), session_call(plain, x, library=False), session_call(rounded, x)]
    check_agree(packed, x, calls[:2])
    check_agree(rounded, x, calls[2:])
    kernel = kernels_of(onnx.load_model_from_string(rounded), {"x": x["x"].shape})["y"]
    return Figures(case, kernel, **three_medians([hot_round(calls) for _ in range(rounds)]))


def kernel_name(case: Case) -> str:
    kernels = runtime.runtime_info().kernels
    few = kernels[ops.CODEBOOK_MATMUL][case.bits - 1]
    return few if case.m <= FEW_ROWS else kernels[ops.CODEBOOK_CONV][case.bits - 1]


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


def bfloat16_as_markdown(figures: Sequence[Figures], settings: dict[str, object]) -> str:
    lines = [
        "# CodebookMatMulBfloat16 against CodebookMatMul and onnxruntime's float32 MatMul",
        "",
        *(f"* {name}: {value}" for name, value in settings.items()),
        "",
        "Times are medians in microseconds, one thread, weights in a cache; ratios are medians of the rounds' ratios,",
        "above 1 bfloat16 is faster. How: the head of bench/matmul.py.",
        "",
        "| m x k x n | bits | kernel | bfloat16 | CodebookMatMul | float32 | over CodebookMatMul | over float32 |",
        "|---|---|---|---|---|---|---|---|",
        *(bfloat16_as_row(figure) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def bfloat16_as_row(figures: Figures) -> str:
    case = figures.case
    times = f"{figures.bfloat16_us:.0f} | {figures.packed_us:.0f} | {figures.float_us:.0f}"
    ratios = f"**{figures.bfloat16_gain:.2f}x** | **{figures.bfloat16_speedup:.2f}x**"
    return f"| {case.m} x {case.k} x {case.n} | {case.bits} | {figures.kernel} | {times} | {ratios} |"


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
@click.option("--bfloat16", is_flag=True, help="Times CodebookMatMulBfloat16 as well, on cases of its own.")
@click.option("--output", type=click.Path(path_type=pathlib.Path), help="Writes OUTPUT.md and OUTPUT.json too.")
def main(rounds: int, quick: bool, bfloat16: bool, output: pathlib.Path | None) -> None:
    """Times CodebookMatMul against onnxruntime's float32 MatMul."""
    settings = settings_of("bench/matmul.py", rounds)
    if bfloat16:
        figures = [measure_bfloat16(case, rounds) for case in BFLOAT16_CASES]
        return publish(bfloat16_as_markdown(figures, settings), settings, figures, output)
    evicting = np.zeros(EVICTING_BYTES // 4, np.float32)
    cases = [case for case in CASES if not quick or case == Case(1, 4096, 4096, 4)]
    figures = []
    for case in cases:
        figures.append(measure(case, rounds, evicting))
        print(as_row(figures[-1]), file=sys.stderr)
    publish(as_markdown(figures, settings), settings, figures, output)


if __name__ == "__main__":
    main()
