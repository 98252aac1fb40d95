"""Times single integer layers against onnxruntime's: one thread, interleaved, weights hot.

    python bench/integer_layers.py --output docs/results/integer_layers

Matrix products with one row of floats are quantized on the way in, as MatMulNBits quantizes; all else is uint8 in
and out, and onnxruntime's convolutions run channels last, as its own int8 networks do. Random weights: the codes of
ours and of int8 are compared first.
"""

import pathlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import numpy as np
import onnx
import onnxruntime
from integer_cases import CASES, Convolution, Product
from interleaved import SEED, hot_round, publish, settings_of
from onnx import helper, numpy_helper
from peak import Peak, build_peak, percent

from qcompile import ops, runtime
from qcompile.integer_ops import INTEGER_CONV, INTEGER_MATMUL, INTEGER_MATMUL_FLOAT
from qcompile.tiles import pack_tiles

MICROSOFT = "com.microsoft"
REPEATS = 8  # of a layer in a model: a call of Python costs as much as a small layer
Array = np.ndarray


@dataclass(frozen=True)
class Figures:
    """Median times by system in microseconds, ours first, and how often each of the others takes our time.

    ``percent_of_peak`` is our part of what the int8 instructions of a core can do, None where that is not known.
    """

    case: str
    bits: int
    giga_operations: float
    percent_of_peak: float | None
    times_us: dict[str, float]
    speedups: dict[str, float] = field(default_factory=dict)


def model_of(nodes: Sequence[onnx.NodeProto], x: Array, stored: dict[str, Any]) -> bytes:
    """A model that computes y of x by ``nodes``, with initializers ``stored``; the last node REPEATS times."""
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    copies = [onnx.NodeProto() for _ in range(REPEATS)]
    for number, copy in enumerate(copies):
        copy.CopyFrom(nodes[-1])
        copy.output[:] = [f"y{number}"]
    graph = helper.make_graph(
        [*nodes[:-1], *copies],
        "bench",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [onnx.ValueInfoProto(name=copy.output[0]) for copy in copies],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, 1), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def our_operands(weight: Array, group: int, bits: int, x_bits: int = 8) -> dict[str, Array]:
    """Random whole numbers of ``bits`` bits as the operator reads them; the output's codes spread over their range."""
    signs = weight.max() == 1 and bits == 1
    indices = weight > 0 if signs else weight.astype(np.int16) + 2 ** (bits - 1)
    n = len(weight)
    scale = np.full(n, 20 / (60 * 2.0 ** (bits + x_bits - 10) * np.sqrt(weight[0].size)), np.float32)
    return {
        "indices": pack_tiles(indices.astype(np.uint8), group, bits),
        "codebook": np.array([[-1, 1]] if signs else [], np.int8),
        "scale": scale,
        "bias": np.full(n, 128, np.float32),
    }


WEIGHTED = ("indices", "codebook", "scale", "bias")


def products(case: Product, random: np.random.Generator) -> tuple[Array, dict[str, bytes]]:
    """What multiplies x by the weight of ``case``: our model first."""
    half = 2 ** (case.bits - 1)
    weight = random.integers(-half, half, (case.n, case.k)).astype(np.int8)
    operands = our_operands(weight, 1, case.bits)
    attributes = {"bits": case.bits, "weight_shape": weight.shape, "x_zero_point": 128}
    floats = {"w": weight.T.astype(np.float32)}
    if case.m > 1:
        x = random.integers(0, 256, (case.m, case.k)).astype(np.uint8)
        ours = helper.make_node(
            INTEGER_MATMUL, ["x", *WEIGHTED], ["y"], domain=ops.DOMAIN, y_min=0, y_max=255, **attributes
        )
        return x, {
            "qcompile": model_of([ours], x, operands),
            **int8_product(x, weight, operands),
            **float_codes(x, floats),
        }
    x = random.standard_normal((1, case.k)).astype(np.float32)
    quantize = helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["codes"])
    ours = helper.make_node(INTEGER_MATMUL_FLOAT, ["codes", *WEIGHTED], ["y"], domain=ops.DOMAIN, **attributes)
    step = {"x_scale": np.float32(4 / 127), "x_zero": np.uint8(128)}
    models = {"qcompile": model_of([quantize, ours], x, operands | step)}
    models |= dynamic_int8_product(x, weight)
    if case.bits in (2, 4, 8):
        models |= {f"MatMulNBits {block}": nbits_product(case, x, random, block) for block in (32, 128)}
    plain = helper.make_node("MatMul", ["x", "w"], ["y"])
    return x, models | {"float": model_of([plain], x, floats)}


def int8_product(x: Array, weight: Array, operands: dict[str, Array]) -> dict[str, bytes]:
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    stored = {
        **{"xs": np.float32(1), "xz": np.uint8(128), "w": np.ascontiguousarray(weight.T), "ys": np.float32(1)},
        **{"ws": operands["scale"][0], "wz": np.int8(0), "yz": np.uint8(128)},
    }
    return {"int8": model_of([helper.make_node("QLinearMatMul", names, ["y"])], x, stored)}


def float_codes(x: Array, stored: dict[str, Array]) -> dict[str, bytes]:
    """A float product of the same size."""
    return {"float": model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], x.astype(np.float32), stored)}


def dynamic_int8_product(x: Array, weight: Array) -> dict[str, bytes]:
    node = helper.make_node("DynamicQuantizeMatMul", ["x", "w", "ws", "wz"], ["y"], domain=MICROSOFT)
    stored = {"w": np.ascontiguousarray(weight.T), "ws": np.float32(0.01), "wz": np.int8(0)}
    return {"int8": model_of([node], x, stored)}


def nbits_product(case: Product, x: Array, random: np.random.Generator, block: int) -> bytes:
    blocks = case.k // block
    stored = {
        "b": random.integers(0, 256, (case.n, blocks, block * case.bits // 8)).astype(np.uint8),
        "s": random.uniform(0.01, 0.02, case.n * blocks).astype(np.float32),
    }
    attributes = {"K": case.k, "N": case.n, "bits": case.bits, "block_size": block, "accuracy_level": 4}
    node = helper.make_node("MatMulNBits", ["x", "b", "s"], ["y"], domain=MICROSOFT, **attributes)
    return model_of([node], x, stored)


def convolutions(case: Convolution, random: np.random.Generator) -> tuple[Array, dict[str, bytes]]:
    """What convolves x with the weight of ``case``: our model first; the float one is channels first."""
    half = 2 ** (case.bits - 1)
    shape = (case.outputs, case.channels // case.group, case.kernel, case.kernel)
    values = np.array([-1, 1]) if case.bits == 1 else np.arange(-half, half)
    weight = random.choice(values, shape).astype(np.int8)
    x = random.integers(0, 2**case.x_bits, (1, case.size, case.size, case.channels)).astype(np.uint8)
    operands = our_operands(weight, case.group, case.bits, case.x_bits)
    pad = case.kernel // 2
    geometry = {"strides": [case.stride] * 2, "pads": [pad] * 4, "dilations": [1, 1], "group": case.group}
    own = {"bits": case.bits, "weight_shape": shape, "x_zero_point": 0, "x_bits": case.x_bits, "y_min": 0, "y_max": 255}
    ours = helper.make_node(INTEGER_CONV, ["x", *WEIGHTED], ["y"], domain=ops.DOMAIN, **own, **geometry)
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    theirs = helper.make_node("QLinearConv", names, ["y"], domain=MICROSOFT, channels_last=1, **geometry)
    stored = {
        **{"xs": np.float32(1), "xz": np.uint8(0), "w": weight, "ws": operands["scale"]},
        **{"wz": np.zeros(len(weight), np.int8), "ys": np.float32(1), "yz": np.uint8(128)},
    }
    plain = helper.make_node("Conv", ["x", "w"], ["y"], **geometry)
    image = np.ascontiguousarray(np.moveaxis(x, -1, 1)).astype(np.float32)
    return x, {
        "qcompile": model_of([ours], x, operands),
        "int8": model_of([theirs], x, stored),
        "float": model_of([plain], image, {"w": weight.astype(np.float32)}),
    }


def measure(case: Product | Convolution, rounds: int, peak: Peak) -> Figures:
    """Times every system on ``case``, and the peak, after the codes of ours and int8 were compared."""
    random = np.random.default_rng(SEED)
    x, models = products(case, random) if isinstance(case, Product) else convolutions(case, random)
    calls = {
        name: Bound(runtime.session(model, threads=1, library=name == "qcompile"), x) for name, model in models.items()
    }
    if x.dtype == np.uint8:
        difference = np.abs(calls["qcompile"].result().astype(int) - calls["int8"].result().astype(int)).max()
        if difference > 1:  # two ways of rounding
            raise ValueError(f"{case}: int8 differs by {difference} codes")
    times = []
    for _ in range(rounds):
        peak.measure()
        times.append(hot_round(list(calls.values())))
    columns = dict(zip(calls, zip(*times, strict=True), strict=True))
    medians = {name: statistics.median(column) / REPEATS for name, column in columns.items()}
    speedups = {
        name: statistics.median(theirs / ours for theirs, ours in zip(column, columns["qcompile"], strict=True))
        for name, column in columns.items()
        if name != "qcompile"
    }
    speeds = [case.operations * REPEATS / time_us / 1e3 for time_us in columns["qcompile"]]
    giga_operations = case.operations / medians["qcompile"] / 1e3
    return Figures(str(case), case.bits, giga_operations, peak.percent_of_int8(speeds), medians, speedups)


@dataclass
class Bound:
    """A session whose input and output are bound: no copies, for some of these layers take a few microseconds."""

    session: onnxruntime.InferenceSession
    x: Array

    def __post_init__(self) -> None:
        wanted = self.session.get_inputs()[0]
        value = self.x if wanted.type == "tensor(uint8)" else self.x.astype(np.float32)
        if list(wanted.shape) != list(value.shape):
            value = np.ascontiguousarray(np.moveaxis(value, -1, 1))
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("x", value)
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name)

    def __call__(self) -> None:
        """Runs once."""
        self.session.run_with_iobinding(self.binding)

    def result(self) -> Array:
        """What a run gives."""
        self()
        return self.binding.copy_outputs_to_cpu()[0]


def as_markdown(figures: Sequence[Figures], settings: dict[str, object]) -> str:
    names = list(dict.fromkeys(name for row in figures for name in row.speedups))
    lines = [
        "# Integer layers against onnxruntime's",
        "",
        *(f"* {name}: {value}" for name, value in settings.items()),
        "",
        "Ours in microseconds, and how many times as long the others take: the median of the rounds' ratios. GOP/s",
        "counts multiplications and additions, those of the plain layer; % of int8 peak is their part of what a core",
        "does from registers alone in the same rounds (bench/peak.cc). How: the head of bench/integer_layers.py.",
        "",
        "| layer | bits | ours | GOP/s | % of int8 peak | " + " | ".join(names) + " |",
        "|---" * (5 + len(names)) + "|",
    ]
    for row in figures:
        cells = [f"{row.speedups[name]:.2f}x" if name in row.speedups else "" for name in names]
        ours = f"{row.times_us['qcompile']:.1f} us | {row.giga_operations:.0f} | {percent(row.percent_of_peak)}"
        lines.append(f"| {row.case} | {row.bits} | {ours} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


@click.command(help=__doc__)
@click.option("--rounds", default=15)
@click.option("--only", default="", help="Cases that contain this text.")
@click.option("--output", type=click.Path(path_type=pathlib.Path))
def main(rounds: int, only: str, output: pathlib.Path | None) -> None:
    figures, peak = [], build_peak()
    for case in CASES:
        if only in str(case):
            figures.append(measure(case, rounds, peak))
            print(figures[-1].case, figures[-1].bits, figures[-1].speedups, file=sys.stderr)
    settings = settings_of("bench/integer_layers.py", rounds, peak=peak.as_setting())
    publish(as_markdown(figures, settings), settings, figures, output)


if __name__ == "__main__":
    main()
