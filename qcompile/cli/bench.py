"""`qcompile bench`: the time of a packed file beside the float one."""

import pathlib

import click

from qcompile.cli.options import (
    against_option,
    inputs_option,
    json_option,
    packed_argument,
    read_inputs,
    threads_option,
)


@click.command()
@packed_argument()
@against_option()
@inputs_option()
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Samples in a call.")
@threads_option()
@click.option("--rounds", type=click.IntRange(min=1), default=21, show_default=True, help="Interleaved rounds.")
@json_option()
def bench(
    packed: pathlib.Path,
    against: pathlib.Path | None,
    inputs: pathlib.Path | None,
    batch: int,
    threads: int,
    rounds: int,
    as_json: bool,
) -> None:
    """Times PACKED with our kernels and on stock onnxruntime, interleaved with the float model.

    Medians over rounds; speed-ups are medians of the ratios within a round.
    """
    from qcompile.benchmark import bench_file

    result = bench_file(
        packed, against=against, inputs=read_inputs(inputs), batch=batch, threads=threads, rounds=rounds
    )
    click.echo(result.as_json() if as_json else result.as_text())
