"""Times CodebookConv against onnxruntime's float32 Conv: one thread, interleaved, weights in a cache.

    python bench/conv.py --output docs/results/conv
    python bench/conv.py --bfloat16 --output docs/results/conv_bfloat16

Rounds and ratios are those of bench/interleaved.py. With --bfloat16 CodebookConvBfloat16 takes turns with both.
"""

import pathlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np
from interleaved import (
    SEED,
    check_agree,
    hot_round,
    in_bfloat16,
    medians,
    one_node_model,
    publish,
    session_call,
    settings_of,
    three_medians,
)
from onnx import helper

from qcompile import ops, runtime
from qcompile.packing import pack_bits

BITS = 4


@dataclass(frozen=True)
class Case:
    """x [1, channels, size, size] convolved with a square kernel, padded so that a stride of one keeps the size."""

    name: str
    channels: int
    size: int
    outputs: int
    kernel: int
    stride: int = 1
    group: int = 1
    padded: bool = True

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """[outputs, channels of a group, height, width]."""
        return (self.outputs, self.channels // self.group, self.kernel, self.kernel)

    @property
    def attributes(self) -> dict[str, object]:
        """Those that Conv and CodebookConv share."""
        pad = self.kernel // 2 if self.padded else 0
        return {"strides": [self.stride] * 2, "pads": [pad] * 4, "dilations": [1, 1], "group": self.group}


def depthwise(channels: int, size: int, kernel: int, stride: int = 1) -> Case:
    return Case("depthwise", channels, size, channels, kernel, stride, group=channels)


CASES = (
    Case("LeNet5, conv1", 1, 28, 20, 5, padded=False),
    Case("LeNet5, conv2", 20, 12, 50, 5, padded=False),
    Case("dense", 64, 56, 64, 3),
    Case("dense", 256, 14, 256, 3),
    Case("pointwise", 64, 56, 128, 1),
    Case("pointwise", 512, 7, 512, 1),
    depthwise(32, 112, 3),
    depthwise(64, 112, 3, stride=2),
    depthwise(128, 56, 3),
    depthwise(128, 56, 3, stride=2),
    depthwise(256, 28, 3),
    depthwise(512, 14, 3),
    depthwise(512, 14, 3, stride=2),
    depthwise(512, 7, 3),
    depthwise(96, 56, 5),
    depthwise(240, 28, 5, stride=2),
    depthwise(480, 14, 5),
    depthwise(512, 7, 5),
    Case("2 outputs a group", 64, 28, 128, 3, group=64),
    Case("4 outputs a group", 64, 28, 64, 3, group=16),
)
BFLOAT16_CASES = (CASES[1], *CASES[2:6], CASES[8], CASES[18])


@dataclass(frozen=True)
class Figures:
    """Medians over rounds."""

    case: Case
    packed_us: float
    float_us: float
    speedup: float
    bfloat16_us: float | None = None
    bfloat16_speedup: float | None = None  # over float32
    bfloat16_gain: float | None = None  # over CodebookConv


def packed_and_float(case: Case, random: np.random.Generator) -> tuple[bytes, bytes]:
    """The same weight twice: packed, and as the float32 tensor it stands for."""
    indices = random.integers(0, 2**BITS, size=case.weight_shape, dtype=np.uint8)
    codebook = np.sort(random.standard_normal((1, 2**BITS), dtype=np.float32), axis=1)
    absent = np.zeros(0, np.float32)
    packed = {"indices": pack_bits(indices, BITS), "codebook": codebook, "scale": absent, "bias": absent}
    shape = list(case.weight_shape)
    node = helper.make_node(
        ops.CODEBOOK_CONV,
        list(ops.OPERANDS),
        ["y"],
        domain=ops.DOMAIN,
        bits=BITS,
        weight_shape=shape,
        **case.attributes,
    )
    plain = helper.make_node("Conv", ["x", "weight"], ["y"], **case.attributes)
    weight = ops.decode_weight(packed["indices"], codebook, BITS, shape)
    return one_node_model(node, packed), one_node_model(plain, {"weight": weight})


def measure(case: Case, rounds: int) -> Figures:
    random = np.random.default_rng(SEED)
    x = {"x": random.standard_normal((1, case.channels, case.size, case.size), dtype=np.float32)}
    packed, plain = packed_and_float(case, random)
    sessions = (runtime.session(packed, threads=1), runtime.session(plain, threads=1, library=False))
    calls = [lambda session=session: session.run(None, x)[0] for session in sessions]
    check_agree(packed, x, calls)
    return Figures(case, *medians([hot_round(calls) for _ in range(rounds)]))


def measure_bfloat16(case: Case, rounds: int) -> Figures:
    random = np.random.default_rng(SEED)
    x = {"x": random.standard_normal((1, case.channels, case.size, case.size), dtype=np.float32)}
    packed, plain = packed_and_float(case, random)
    rounded = in_bfloat16(packed)
    calls = [session_call(packed, x), session_call(plain, x, library=False), session_call(rounded, x)]
    check_agree(packed, x, calls[:2])
    check_agree(rounded, x, calls[2:])
    return Figures(case, **three_medians([hot_round(calls) for _ in range(rounds)]))


def bfloat16_as_markdown(figures: Sequence[Figures], settings: dict[str, object]) -> str:
    lines = [
        "# CodebookConvBfloat16 against CodebookConv and onnxruntime's float32 Conv",
        "",
        *(f"* {name}: {value}" for name, value in settings.items()),
        "",
        "Times are medians in microseconds, one thread, one image; ratios are medians of the rounds' ratios, above 1",
        "bfloat16 is faster. How: the head of bench/conv.py.",
        "",
        "| convolution | x | weight | stride | bfloat16 | CodebookConv | float32 | over CodebookConv | over float32 |",
        "|---|---|---|---|---|---|---|---|---|",
        *(bfloat16_as_row(figure) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def bfloat16_as_row(figures: Figures) -> str:
    times = f"{figures.bfloat16_us:.0f} | {figures.packed_us:.0f} | {figures.float_us:.0f}"
    ratios = f"**{figures.bfloat16_gain:.2f}x** | **{figures.bfloat16_speedup:.2f}x**"
    return f"| {described(figures.case)} | {times} | {ratios} |"


def as_markdown(figures: Sequence[Figures], settings: dict[str, object]) -> str:
    lines = [
        "# CodebookConv against onnxruntime's float32 Conv",
        "",
        *(f"* {name}: {value}" for name, value in settings.items()),
        "",
        "Times are medians in microseconds, one thread, one image; the speed-up is the median of the rounds' ratios,",
        "above 1 is faster than float32. How: the head of bench/conv.py.",
        "",
        "| convolution | x | weight | stride | packed | float32 | speed-up |",
        "|---|---|---|---|---|---|---|",
        *(as_row(figure) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def described(case: Case) -> str:
    x = " x ".join(map(str, (case.channels, case.size, case.size)))
    weight = " x ".join(map(str, case.weight_shape))
    return f"{case.name} | {x} | {weight} | {case.stride}"


def as_row(figures: Figures) -> str:
    times = f"{figures.packed_us:.0f} | {figures.float_us:.0f} | **{figures.speedup:.2f}x**"
    return f"| {described(figures.case)} | {times} |"


@click.command()
@click.option("--rounds", default=21, show_default=True, help="Rounds of each case.")
@click.option("--bfloat16", is_flag=True, help="Times CodebookConvBfloat16 as well, on some of the cases.")
@click.option("--output", type=click.Path(path_type=pathlib.Path), help="Writes OUTPUT.md and OUTPUT.json too.")
def main(rounds: int, bfloat16: bool, output: pathlib.Path | None) -> None:
    """Times CodebookConv against onnxruntime's float32 Conv."""
    settings = settings_of("bench/conv.py", rounds, bits=BITS)
    if bfloat16:
        figures = [measure_bfloat16(case, rounds) for case in BFLOAT16_CASES]
        return publish(bfloat16_as_markdown(figures, settings), settings, figures, output)
    figures = []
    for case in CASES:
        figures.append(measure(case, rounds))
        print(as_row(figures[-1]), file=sys.stderr)
    publish(as_markdown(figures, settings), settings, figures, output)


if __name__ == "__main__":
    main()
