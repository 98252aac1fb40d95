"""`qcompile compile`: an exported model into a packed file."""

import pathlib

import click

from qcompile.cli.options import EXISTING, TO_FILE, read_inputs

BITS = click.IntRange(1, 8)
BATCH = 50


@click.command("compile")
@click.argument("exported", type=EXISTING)
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
@click.option("--bits", type=BITS, default=8, show_default=True, help="Of integers: of weights not learned.")
@click.option("--activation-bits", type=BITS, default=8, show_default=True, help="Of integers: of activations.")
@click.option(
    "--calibrate-method",
    type=click.Choice(["mse", "minmax", "percentile"]),
    default="mse",
    show_default=True,
    help="With --calibration: least squared error, the whole range, or all but 0.01 % at each end.",
)
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
    activation_bits: int,
    calibrate_method: str,
    calibration_cache: pathlib.Path | None,
) -> None:
    """Packs EXPORTED, an ONNX model whose weights are codebook lookups or quantized, into one small file.

    A model that is quantized already, with pairs of QuantizeLinear and DequantizeLinear, becomes integers with the
    codes that it has: no option is needed. With --calibration or --dynamic any float model will do: activations become
    integers too. What each layer became, and why a layer was left alone, is printed.
    """
    from qcompile.calibration import ArrayReader, MeanSquareError, Method, MinMax, Percentile
    from qcompile.compiler import DynamicIntegers, Integers, compile_file
    from qcompile.loading import fixed_batch, load_model

    _refuse_options(context, calibrates=calibration is not None, dynamic=dynamic, bfloat16=bfloat16)
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
        )
    click.echo(compile_file(exported, output, functions=functions, integers=integers, bfloat16=bfloat16).as_text())


def _refuse_options(context: click.Context, *, calibrates: bool, dynamic: bool, bfloat16: bool) -> None:
    """Raises UsageError for an option that would do nothing."""
    if calibrates and dynamic:
        raise click.UsageError("--calibration finds ranges beforehand, --dynamic as rows come: give one of them")
    if bfloat16 and (calibrates or dynamic):
        raise click.UsageError(
            "--bfloat16 is for layers whose activations stay floats: not with --calibration, --dynamic"
        )
    needs = {"calibrate_method": "--calibration", "calibration_cache": "--calibration"} if not calibrates else {}
    if not calibrates and not dynamic:
        needs |= dict.fromkeys(("bits", "activation_bits"), "--calibration or --dynamic")
    for name, needed in needs.items():
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} needs {needed}")
