"""The options of `qcompile compile`, and what a user gave of them."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import click

from qcompile.cli.options import EXISTING, FOLDER, TO_FILE, Decorator

BITS = click.IntRange(1, 8)
WIDTHS = "2,3,4,5,6,8"


@dataclass(frozen=True)
class CompileOptions:
    """What a user gave, by the names of the options; ``given`` are those that are not the defaults."""

    exported: pathlib.Path
    output: pathlib.Path
    functions: bool
    calibration: pathlib.Path | None
    float_activations: bool
    dynamic: bool
    bfloat16: bool
    bits: int
    weights: Literal["grid", "codebook"] | None
    per: Literal["tensor", "scaled", "channel"]
    activation_bits: int
    calibrate_method: str
    rounding: str
    calibration_cache: pathlib.Path | None
    budget: str | None
    widths: str
    layer_bits: tuple[str, ...]
    nodes_to_exclude: tuple[str, ...]
    nodes_to_quantize: tuple[str, ...]
    op_types_to_quantize: str
    plan: pathlib.Path | None
    plan_output: pathlib.Path | None
    latencies: pathlib.Path | None
    data_dir: pathlib.Path | None
    given: frozenset[str]

    @property
    def integers(self) -> bool:
        """Whether activations become integers."""
        return self.dynamic or (self.calibration is not None and not self.float_activations)

    @classmethod
    def of(cls, context: click.Context) -> "CompileOptions":
        """Those of a call."""
        default = click.core.ParameterSource.DEFAULT
        given = (name for name in context.params if context.get_parameter_source(name) is not default)
        return cls(**context.params, given=frozenset(given))


def form_options() -> Decorator:
    """What the packed model is: its file, and in what its activations are."""
    return _all(
        click.option("-o", "--output", type=TO_FILE, required=True, help="Where to write the packed model."),
        click.option(
            "--functions/--no-functions",
            default=True,
            show_default=True,
            help="Put the operators' portable bodies into the file: without them it needs our library.",
        ),
        click.option(
            "--calibration",
            type=EXISTING,
            help="Sample inputs, an .npz, one array [batch, ...] a model input: activations become integers, in ranges "
            "that these show, and weights are rounded by what layers give on them.",
        ),
        click.option(
            "--float-activations",
            is_flag=True,
            help="With --calibration: activations stay floats, the samples say only how weights are rounded. Padding "
            "counts as much as what it pads, so give samples with little of it.",
        ),
        click.option(
            "--dynamic",
            is_flag=True,
            help="Make what MatMul and Gemm read integers, each row in a range of its own as it comes: needs no "
            "inputs.",
        ),
        click.option(
            "--bfloat16",
            is_flag=True,
            help="Round codebooks, and what layers read, to bfloat16: up to twice as fast where the processor "
            "multiplies it.",
        ),
    )


def weight_options() -> Decorator:
    """What weights that were not learned become."""
    return _all(
        click.option(
            "--bits",
            type=BITS,
            default=8,
            show_default=True,
            help="Of weights not learned. Without --calibration and --dynamic they stay floats, unless this, --weights "
            "or --per is given.",
        ),
        click.option(
            "--weights",
            type=click.Choice(["grid", "codebook"]),
            help="Weights not learned: all whole numbers of so many bits times steps (the default where activations "
            "become integers), or the values that serve each weight best (the default where they stay floats).",
        ),
        click.option(
            "--per",
            type=click.Choice(["tensor", "scaled", "channel"]),
            default="scaled",
            show_default=True,
            help="Of codebooks: one a weight, one times a scale of each output, or one an output.",
        ),
    )


def calibration_options() -> Decorator:
    """How sample inputs make integers."""
    return _all(
        click.option("--activation-bits", type=BITS, default=8, show_default=True, help="Of integers: of activations."),
        click.option(
            "--calibrate-method",
            type=click.Choice(["mse", "minmax", "percentile"]),
            default="mse",
            show_default=True,
            help="With --calibration: least squared error, the whole range, or all but 0.01 % at each end.",
        ),
        click.option(
            "--rounding",
            type=click.Choice(["second-order", "plain"]),
            default="second-order",
            show_default=True,
            help="With --calibration, of weights not learned: so that outputs on the samples change least, or to the "
            "nearest.",
        ),
        click.option(
            "--calibration-cache", type=TO_FILE, help="Keeps what calibration measured, to go on or to use again."
        ),
    )


def choice_options() -> Decorator:
    """Which layers are rounded at all; named as onnxruntime's quantizer names them."""
    return _all(
        click.option(
            "--nodes-to-exclude",
            multiple=True,
            metavar="PATTERN",
            help="Leave the layers float whose name, or whose node's name, matches (* is anything); may be repeated.",
        ),
        click.option(
            "--nodes-to-quantize",
            multiple=True,
            metavar="PATTERN",
            help="Leave all layers float but those whose name, or whose node's name, matches; may be repeated.",
        ),
        click.option(
            "--op-types-to-quantize",
            default="",
            metavar="OPERATOR,...",
            help="Leave all layers float but those of these operators, such as Conv,MatMul.",
        ),
    )


def plan_options() -> Decorator:
    """Which layer gets how many bits."""
    return _all(
        click.option(
            "--budget",
            metavar="TARGET",
            help="With --calibration: find the bits of each layer that change outputs least within bytes=80k (of "
            "packed layers), bits=3.2 (of a weight on average), bitops=0.4G, latency=5ms, several with commas between, "
            "or the fewest bytes at which drop=0.5% of the predictions differ, on samples held out for that.",
        ),
        click.option(
            "--widths",
            default=WIDTHS,
            show_default=True,
            metavar="BITS,...",
            help="With --budget: the bits that a layer may have.",
        ),
        click.option(
            "--layer-bits",
            multiple=True,
            metavar="PATTERN=BITS",
            help="With --calibration: bits of the layers whose name matches (* is anything); may be repeated, the last "
            "one counts. Other layers have --bits, or what --budget finds.",
        ),
        click.option(
            "--plan",
            type=EXISTING,
            help="The bits of each layer: of a one-shot run where EXPORTED is one, else, with --calibration, of a "
            "model.",
        ),
        click.option(
            "--plan-output",
            type=TO_FILE,
            help="With --budget: where to write the plan, which may be edited. Beside the output if not given: "
            "OUTPUT.plan.json.",
        ),
        click.option(
            "--latencies",
            type=EXISTING,
            help="With --budget latency=: times of each layer on the machine that "
            "matters (bench --table). Measured here if not given.",
        ),
        click.option(
            "--data-dir", type=FOLDER, help="With --plan of a one-shot run: where the data sets lie, as for learn."
        ),
    )


def _all(*decorators: Decorator) -> Decorator:
    """All of ``decorators``, in the order in which help shows them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate
