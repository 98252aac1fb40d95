"""`qcompile compile`: an exported model into a packed file."""

import pathlib
from typing import TYPE_CHECKING, Any

import click

from qcompile.cli.compile_bits import compile_for_budget, compile_run, layer_choice, with_bits
from qcompile.cli.compile_options import (
    CompileOptions,
    calibration_options,
    choice_options,
    form_options,
    plan_options,
    weight_options,
)
from qcompile.cli.compile_program import as_onnx
from qcompile.cli.compile_refusals import refuse
from qcompile.cli.options import read_inputs

if TYPE_CHECKING:
    from qcompile.calibration import ArrayReader
    from qcompile.float_weights import FloatWeights
    from qcompile.integers import Integers

BATCH = 50


@click.command("compile")
@click.argument("exported", type=click.Path(exists=True, path_type=pathlib.Path))
@form_options()
@weight_options()
@calibration_options()
@choice_options()
@plan_options()
@click.pass_context
def compile_command(context: click.Context, /, **_: Any) -> None:
    """Packs EXPORTED, an ONNX model or a program of torch.export.save, into one small file.

    A model that is quantized already, with pairs of QuantizeLinear and DequantizeLinear, becomes integers with the
    codes that it has: no option is needed. With --calibration or --dynamic any float model will do: activations become
    integers too. With --budget the bits of each layer are found, by what rounding it does to the outputs on the
    samples of --calibration, and written as a plan; --plan compiles by a plan, edited or not. With --bits alone
    weights become codebooks, activations stay floats; with --calibration and --float-activations as well, but nearer
    to the float model. Where EXPORTED is the folder of a one-shot run its network is
    compiled at the bits of --plan. What each layer became, and why a layer was left alone, is printed.

    Weights that are codebook lookups stay as they are learned. Of programs (.pt2) give only files that you trust:
    what torch's loader is known to run as code is refused, but torch promises nothing.
    """
    options = CompileOptions.of(context)
    refuse(options)
    with as_onnx(options) as found:
        click.echo(_compile(found))


def _compile(options: CompileOptions) -> str:
    """Writes the packed file; what there is to tell."""
    from qcompile.compiler import compile_file
    from qcompile.integers import DynamicIntegers

    if options.exported.is_dir():
        return compile_run(options)
    integers: Integers | DynamicIntegers | None = None
    if options.dynamic:
        integers = DynamicIntegers(options.activation_bits, options.bits)
    elif options.integers:
        integers = _integers(options)
        if options.budget is not None:
            return compile_for_budget(options, integers)
        integers = with_bits(options, integers)
    return compile_file(
        options.exported,
        options.output,
        functions=options.functions,
        integers=integers,
        bfloat16=options.bfloat16,
        weights=_float_weights(options),
        layers=layer_choice(options),
    ).as_text()


def _integers(options: CompileOptions) -> "Integers":
    """What --calibration and its options ask for, of one width for all layers."""
    from qcompile.calibration import MeanSquareError, Method, MinMax, Percentile
    from qcompile.integers import Integers
    from qcompile.rounding import Plain, SecondOrder

    methods: dict[str, Method] = {"mse": MeanSquareError(), "minmax": MinMax(), "percentile": Percentile()}
    return Integers(
        _samples(options),
        activation_bits=options.activation_bits,
        weight_bits=options.bits,
        method=methods[options.calibrate_method],
        cache=options.calibration_cache,
        rounding=Plain() if options.rounding == "plain" else SecondOrder(values=options.weights or "grid"),
    )


def _samples(options: CompileOptions) -> "ArrayReader":
    """The samples of --calibration, in batches that the model takes."""
    from qcompile.calibration import ArrayReader
    from qcompile.loading import fixed_batch, load_skeleton

    samples = read_inputs(options.calibration)
    assert samples is not None
    return ArrayReader(samples, fixed_batch(load_skeleton(options.exported).proto) or BATCH)


def _float_weights(options: CompileOptions) -> "FloatWeights | None":
    """What float weights become where activations stay floats; None where nothing asks for it."""
    from qcompile.codebooks import CodebookWeights, GridWeights
    from qcompile.float_weights import SampledWeights

    asked = options.float_activations or options.given & {"bits", "weights", "per"}
    if options.integers or not asked:
        return None
    weights = GridWeights(options.bits) if options.weights == "grid" else CodebookWeights(options.bits, options.per)
    return SampledWeights(_samples(options), weights) if options.float_activations else weights
