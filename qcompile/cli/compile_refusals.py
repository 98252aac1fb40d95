"""What `qcompile compile` refuses: options that would do nothing, and those that contradict each other."""

import click

from qcompile.cli.compile_options import CompileOptions

CALIBRATING = ("calibrate_method", "calibration_cache", "rounding", "budget", "layer_bits", "float_activations")
OF_INTEGERS = ("activation_bits", "calibrate_method", "calibration_cache", "rounding", "budget", "layer_bits", "plan")
BUDGETING = ("plan_output", "widths", "latencies")
CHOOSING = ("nodes_to_exclude", "nodes_to_quantize", "op_types_to_quantize")
NOT_OF_PLANS = ("calibration", "float_activations", "dynamic", "bfloat16", "bits", "weights", "per", *CHOOSING)


def refuse(options: CompileOptions) -> None:
    """Raises UsageError for an option that would do nothing, or contradicts another."""
    _refuse_two_kinds(options)
    if options.data_dir is not None and options.plan is None:
        raise click.UsageError("--data-dir needs --plan")
    if options.calibration is None:
        _refuse_without(options, CALIBRATING, "--calibration")
        if not options.dynamic:
            _refuse_without(options, ("activation_bits",), "--calibration or --dynamic")
        if not (options.dynamic or options.exported.is_dir() or options.given & {"bits", "weights", "per"}):
            _refuse_without(options, CHOOSING, "--bits, --calibration or --dynamic")
    elif options.float_activations:
        _refuse_for_floats(options)
    if options.budget is None:
        _refuse_without(options, BUDGETING, "--budget")
    _refuse_for_codebooks(options)
    if options.plan is not None or options.exported.is_dir():
        _refuse_for_plans(options)
    elif options.budget is not None and "bits" in options.given:
        raise click.UsageError("--budget finds the bits of layers, --bits gives them: give one of them")


def _refuse_two_kinds(options: CompileOptions) -> None:
    if options.calibration is not None and options.dynamic:
        raise click.UsageError("--calibration finds ranges beforehand, --dynamic as rows come: give one of them")
    if options.bfloat16 and options.integers:
        raise click.UsageError(
            "--bfloat16 is for layers whose activations stay floats: not with --dynamic, and with --calibration only "
            "if --float-activations is given too"
        )


def _refuse_for_floats(options: CompileOptions) -> None:
    for name in OF_INTEGERS:
        if name in options.given:
            raise click.UsageError(f"--{name.replace('_', '-')} is for integers: not with --float-activations")


def _refuse_without(options: CompileOptions, names: tuple[str, ...], needed: str) -> None:
    for name in names:
        if name in options.given:
            raise click.UsageError(f"--{name.replace('_', '-')} needs {needed}")


def _refuse_for_codebooks(options: CompileOptions) -> None:
    """Raises UsageError for what says how codebooks are made where there are none, or no choice."""
    if options.weights == "codebook" and options.dynamic:
        raise click.UsageError("--weights codebook is not for --dynamic, which rounds to a grid")
    if options.weights == "codebook" and options.calibration is not None and options.rounding == "plain":
        raise click.UsageError("--weights codebook needs --rounding second-order")
    if "per" not in options.given:
        return
    if options.integers:
        raise click.UsageError(
            "--per is for layers whose activations stay floats: integers have a scale of each output"
        )
    if options.weights == "grid":
        raise click.UsageError("--per is for codebooks: a grid has a step of each output")


def _refuse_for_plans(options: CompileOptions) -> None:
    """Raises UsageError unless there is a plan, and nothing that it says already or that its network does not take."""
    if options.plan is None:
        raise click.UsageError(f"{options.exported} is a folder: give its exported.onnx, or --plan for a one-shot run")
    if options.exported.is_dir():
        for name in NOT_OF_PLANS:
            if name in options.given:
                raise click.UsageError(
                    f"--{name.replace('_', '-')} is for models that are not quantized, a plan's network is"
                )
        return
    if options.calibration is None:
        raise click.UsageError(f"--plan needs --calibration where EXPORTED is no one-shot run: {options.exported}")
    if options.data_dir is not None:
        raise click.UsageError("--data-dir is for the plan of a one-shot run")
    for name in ("budget", "layer_bits", "bits", "activation_bits"):
        if name in options.given:
            raise click.UsageError(f"--plan gives the bits of layers already: leave out --{name.replace('_', '-')}")
