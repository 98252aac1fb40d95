"""`qcompile report`: what each layer of a packed file costs."""

import pathlib

import click

from qcompile.cli.options import against_option, json_option, packed_argument


@click.command()
@packed_argument()
@against_option()
@json_option()
def report(packed: pathlib.Path, against: pathlib.Path | None, as_json: bool) -> None:
    """Prints for each layer of PACKED its bits, entries, bytes in the file and kernel, and the totals.

    Everything is counted in the file itself; the kernel is the one that this machine runs for one sample.
    """
    from qcompile.kernel_choice import kernels_of
    from qcompile.report import report_file

    result = report_file(packed, against=against, kernels_of=kernels_of)
    click.echo(result.as_json() if as_json else result.as_text())
