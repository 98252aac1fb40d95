"""`qcompile bench`: the time of a packed file beside the float one, and of each of its layers."""

import pathlib
import sys

import click

from qcompile.cli.latencies import write_table, write_table_of_model
from qcompile.cli.options import (
    TO_FILE,
    against_option,
    inputs_option,
    json_option,
    read_inputs,
    read_shapes,
    threads_option,
)


@click.command()
@click.argument("packed", type=click.Path(exists=True, path_type=pathlib.Path))
@against_option()
@inputs_option()
@click.option(
    "--batch", type=click.IntRange(min=1), help="Samples in a call where the model leaves it free.  [default: 1]"
)
@click.option(
    "--shape", "shapes", multiple=True, metavar="INPUT=SIZES", help="As input=1x3x224x224: a shape; free axes are 1."
)
@threads_option()
@click.option("--rounds", type=click.IntRange(min=1), default=21, show_default=True, help="Interleaved rounds.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=0.6,
    show_default=True,
    help="How long each is timed, all rounds together.",
)
@click.option("--layers", is_flag=True, help="Print the time of each node of PACKED, too.")
@click.option(
    "--table",
    type=TO_FILE,
    help="PACKED is the folder of a one-shot run: write the times of its layers at every pair of bits, for search. Or "
    "it is a float model: write those at each width, for compile --latencies.",
)
@click.option(
    "--activation-bits",
    type=click.IntRange(1, 8),
    help="With --table of a float model: of the activations that its layers read.  [default: 8]",
)
@json_option()
def bench(
    packed: pathlib.Path,
    against: pathlib.Path | None,
    inputs: pathlib.Path | None,
    batch: int | None,
    shapes: tuple[str, ...],
    threads: int,
    rounds: int,
    seconds: float,
    layers: bool,
    table: pathlib.Path | None,
    activation_bits: int | None,
    as_json: bool,
) -> None:
    """Times PACKED with our kernels and on stock onnxruntime, interleaved with the float model.

    Medians over rounds; speed-ups are medians of the ratios within a round. Without --inputs they are random. The times
    of --layers are from onnxruntime's profile, the middle half of the runs; profiling slows runs a little.
    """
    if inputs is not None and (batch is not None or shapes):
        raise click.UsageError("--inputs has shapes of its own: leave out --batch and --shape")
    if activation_bits is not None and (table is None or packed.is_dir()):
        raise click.UsageError("--activation-bits is for --table of a float model: a run and a packed file have theirs")
    if table is not None:
        if against or batch or shapes or layers or as_json or (packed.is_dir() and inputs):
            raise click.UsageError("--table takes --threads and --seconds only, and --inputs for a float model")
        click.echo(_write_table(packed, table, inputs, activation_bits, threads, seconds))
        return
    if packed.is_dir():
        raise click.UsageError("PACKED is a folder: all that is timed of a one-shot run is its layers, with --table")
    from qcompile.benchmark import bench_file

    result = bench_file(
        packed,
        against=against,
        inputs=read_inputs(inputs),
        batch=batch,
        shapes=read_shapes(shapes),
        threads=threads,
        rounds=rounds,
        seconds=seconds,
        layers=layers,
        progress=_say,
    )
    click.echo(result.as_json() if as_json else result.as_text())


def _write_table(
    timed: pathlib.Path,
    table: pathlib.Path,
    inputs: pathlib.Path | None,
    activation_bits: int | None,
    threads: int,
    seconds: float,
) -> str:
    """Writes the times of the layers of a one-shot run or a float model to ``table``; what there is to tell."""
    if timed.is_dir():
        return write_table(timed, table, threads=threads, seconds=seconds, say=_say)
    samples = read_inputs(inputs)
    if samples is None:
        raise click.UsageError("--table of a float model needs --inputs, from which its ranges come")
    bits = activation_bits or 8
    return write_table_of_model(timed, table, samples, activation_bits=bits, threads=threads, seconds=seconds, say=_say)


def _say(text: str) -> None:
    """Progress, for who looks on."""
    if sys.stderr.isatty():
        click.echo(text, err=True)
