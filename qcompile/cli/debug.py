"""`qcompile debug`: which layer of a packed file is the bad one."""

import pathlib

import click

from qcompile.cli.options import EXISTING, inputs_option, json_option, packed_argument, read_inputs


@click.command()
@click.argument("floats", metavar="FLOAT", type=EXISTING)
@packed_argument()
@inputs_option(required=True)
@json_option()
@click.option("--top", type=click.IntRange(min=1), help="Show so many of the worst layers only.")
def debug(floats: pathlib.Path, packed: pathlib.Path, inputs: pathlib.Path, as_json: bool, top: int | None) -> None:
    """Compares each layer of PACKED with FLOAT, the model that it was compiled from, the worst layer first.

    Local: the layer alone, on FLOAT's input to it. Cumulative: as PACKED computes it, with all errors before it. Both
    are 10 log10(signal / noise), in dB. Where FLOAT is quantized itself, its own rounding is no error.
    """
    from qcompile.debugging import debug_files

    feeds = read_inputs(inputs)
    assert feeds is not None
    result = debug_files(floats, packed, feeds)
    click.echo(result.as_json() if as_json else result.as_text(top))
