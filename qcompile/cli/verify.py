"""`qcompile verify`: every way to run a packed file against the reference."""

import pathlib

import click

from qcompile.cli.options import against_option, inputs_option, json_option, packed_argument, read_inputs


@click.command()
@packed_argument()
@against_option()
@inputs_option()
@json_option()
def verify(packed: pathlib.Path, against: pathlib.Path | None, inputs: pathlib.Path | None, as_json: bool) -> None:
    """Checks PACKED: bytes against claims, stock onnxruntime and our kernels on each ISA against the reference.

    A difference counts as wrong beyond the derived bound of float32 rounding. Exit code 1 if anything fails.
    """
    from qcompile.verification import verify_file

    result = verify_file(packed, against=against, inputs=read_inputs(inputs))
    click.echo(result.as_json() if as_json else result.as_text())
    if not result.passed:
        raise SystemExit(1)
