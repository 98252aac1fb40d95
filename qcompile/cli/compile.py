"""`qcompile compile`: an exported model into a packed file."""

import pathlib
import tempfile
from typing import Literal

import click

from qcompile.cli.options import EXISTING, FOLDER, TO_FILE, read_inputs, read_text
from qcompile.extras import require_training

BITS = click.IntRange(1, 8)
BATCH = 50


@click.command("compile")
@click.argument("exported", type=click.Path(exists=True, path_type=pathlib.Path))
@click.option("-o", "--output", type=TO_FILE, required=True, help="Where to write the packed model.")
@click.option(
    "--functions/--no-functions",
    default=True,
    show_default=True,
    help="Put the operators' portable bodies into the file: without them it needs our library.",
)
@click.option(
    "--calibration",
    type=EXISTING,
    help="Make activations integers: their ranges come from an .npz of inputs, one array [batch, ...] a model input.",
)
@click.option(
    "--dynamic",
    is_flag=True,
    help="Make what MatMul and Gemm read integers, each row in a range of its own as it comes: needs no inputs.",
)
@click.option(
    "--bfloat16",
    is_flag=True,
    help="Round codebooks, and what layers read, to bfloat16: up to twice as fast where the processor multiplies it.",
)
@click.option(
    "--bits",
    type=BITS,
    default=8,
    show_default=True,
    help="Of weights not learned. Where activations stay floats, so do they, unless this, --weights or --per is given.",
)
@click.option(
    "--weights",
    type=click.Choice(["grid", "codebook"]),
    help="Weights not learned: all whole numbers of so many bits times steps (the default with --calibration and "
    "--dynamic), or the values that serve each weight best (the default without).",
)
@click.option(
    "--per",
    type=click.Choice(["tensor", "scaled", "channel"]),
    default="scaled",
    show_default=True,
    help="Of codebooks: one a weight, one times a scale of each output, or one an output.",
)
@click.option("--activation-bits", type=BITS, default=8, show_default=True, help="Of integers: of activations.")
@click.option(
    "--calibrate-method",
    type=click.Choice(["mse", "minmax", "percentile"]),
    default="mse",
    show_default=True,
    help="With --calibration: least squared error, the whole range, or all but 0.01 % at each end.",
)
@click.option(
    "--rounding",
    type=click.Choice(["second-order", "plain"]),
    default="second-order",
    show_default=True,
    help="With --calibration, of weights not learned: so that outputs on the samples change least, or to the nearest.",
)
@click.option("--plan", type=EXISTING, help="EXPORTED is a run of a one-shot recipe: the bits of each of its layers.")
@click.option("--data-dir", type=FOLDER, help="With --plan: where the data sets lie, as for learn.")
@click.option("--calibration-cache", type=TO_FILE, help="Keeps what calibration measured, to go on or to use again.")
@click.pass_context
def compile_command(
    context: click.Context,
    exported: pathlib.Path,
    output: pathlib.Path,
    functions: bool,
    calibration: pathlib.Path | None,
    dynamic: bool,
    bfloat16: bool,
    bits: int,
    weights: Literal["grid", "codebook"] | None,
    per: Literal["tensor", "scaled", "channel"],
    activation_bits: int,
    calibrate_method: str,
    rounding: str,
    plan: pathlib.Path | None,
    data_dir: pathlib.Path | None,
    calibration_cache: pathlib.Path | None,
) -> None:
    """Packs EXPORTED, an ONNX model whose weights are codebook lookups or quantized, into one small file.

    A model that is quantized already, with pairs of QuantizeLinear and DequantizeLinear, becomes integers with the
    codes that it has: no option is needed. With --plan EXPORTED is the folder of a one-shot run, whose network is
    compiled at the bits of the plan. With --calibration or --dynamic any float model will do: activations become
    integers too. With --bits alone as well: its weights become codebooks, activations stay floats. What each layer
    became, and why a layer was left alone, is printed.
    """
    _refuse_options(context, calibrates=calibration is not None, dynamic=dynamic, bfloat16=bfloat16)
    asked = any(_is_given(context, name) for name in ("bits", "weights", "per"))
    rounds = asked and calibration is None and not dynamic
    if plan is not None or exported.is_dir():
        _refuse_for_plans(context, exported, plan)
        assert plan is not None
        click.echo(_compile_plan(exported, plan, data_dir or pathlib.Path(), output, functions=functions))
        return
    from qcompile.calibration import ArrayReader, MeanSquareError, Method, MinMax, Percentile
    from qcompile.codebooks import CodebookWeights, GridWeights
    from qcompile.compiler import DynamicIntegers, Integers, compile_file
    from qcompile.loading import fixed_batch, load_model
    from qcompile.rounding import Plain, SecondOrder

    samples = read_inputs(calibration)
    methods: dict[str, Method] = {"mse": MeanSquareError(), "minmax": MinMax(), "percentile": Percentile()}
    integers: Integers | DynamicIntegers | None = DynamicIntegers(activation_bits, bits) if dynamic else None
    if samples is not None:
        integers = Integers(
            ArrayReader(samples, fixed_batch(load_model(exported)) or BATCH),
            activation_bits=activation_bits,
            weight_bits=bits,
            method=methods[calibrate_method],
            cache=calibration_cache,
            rounding=Plain() if rounding == "plain" else SecondOrder(values=weights or "grid"),
        )
    float_weights = (GridWeights(bits) if weights == "grid" else CodebookWeights(bits, per)) if rounds else None
    compiled = compile_file(
        exported, output, functions=functions, integers=integers, bfloat16=bfloat16, weights=float_weights
    )
    click.echo(compiled.as_text())


def _compile_plan(
    run: pathlib.Path, plan: pathlib.Path, data_dir: pathlib.Path, output: pathlib.Path, *, functions: bool
) -> str:
    """Compiles the network of ``run`` at the bits of ``plan``; what there is to tell."""
    require_training("compiling a plan")
    from qcompile.bit_plan import read_plan
    from qcompile.compiler import compile_file
    from qcompile.frontend.one_shot_run import export_plan, open_run

    bits = read_plan(read_text(plan), str(plan))
    with tempfile.TemporaryDirectory() as folder:
        exported = pathlib.Path(folder, "exported.onnx")
        described = export_plan(open_run(run, data_dir), bits, exported)
        compiled = compile_file(exported, output, functions=functions)
    return f"{compiled.as_text()}\ntest error {described['test_error_percent']['learned']:.2f} %"


def _refuse_for_plans(context: click.Context, exported: pathlib.Path, plan: pathlib.Path | None) -> None:
    """Raises UsageError unless there are a run and a plan, and nothing that is for other models."""
    if plan is None:
        raise click.UsageError(f"{exported} is a folder: give its exported.onnx, or --plan for a one-shot run")
    if not exported.is_dir():
        raise click.UsageError(f"--plan is for the folder of a one-shot run, {exported} is a file")
    for name in ("calibration", "dynamic", "bfloat16", "bits", "weights", "per"):
        if _is_given(context, name):
            raise click.UsageError(f"--{name} is for models that are not quantized, a plan's network is")


def _refuse_options(context: click.Context, *, calibrates: bool, dynamic: bool, bfloat16: bool) -> None:
    """Raises UsageError for an option that would do nothing."""
    if calibrates and dynamic:
        raise click.UsageError("--calibration finds ranges beforehand, --dynamic as rows come: give one of them")
    if bfloat16 and (calibrates or dynamic):
        raise click.UsageError(
            "--bfloat16 is for layers whose activations stay floats: not with --calibration, --dynamic"
        )
    if context.params["data_dir"] is not None and context.params["plan"] is None:
        raise click.UsageError("--data-dir needs --plan")
    calibrating = ("calibrate_method", "calibration_cache", "rounding")
    needs = dict.fromkeys(calibrating, "--calibration") if not calibrates else {}
    if not calibrates and not dynamic:
        needs |= {"activation_bits": "--calibration or --dynamic"}
    for name, needed in needs.items():
        if _is_given(context, name):
            raise click.UsageError(f"--{name.replace('_', '-')} needs {needed}")
    _refuse_for_codebooks(context, calibrates=calibrates, dynamic=dynamic)


def _refuse_for_codebooks(context: click.Context, *, calibrates: bool, dynamic: bool) -> None:
    """Raises UsageError for what says how codebooks are made where there are none, or no choice."""
    codebook = context.params["weights"] == "codebook"
    if codebook and dynamic:
        raise click.UsageError("--weights codebook is not for --dynamic, which rounds to a grid")
    if codebook and calibrates and context.params["rounding"] == "plain":
        raise click.UsageError("--weights codebook needs --rounding second-order")
    if not _is_given(context, "per"):
        return
    if calibrates or dynamic:
        raise click.UsageError(
            "--per is for layers whose activations stay floats: integers have a scale of each output"
        )
    if context.params["weights"] == "grid":
        raise click.UsageError("--per is for codebooks: a grid has a step of each output")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
