"""`qcompile demo`: everything on handwritten digits."""

import pathlib

import click

from qcompile.cli.options import FOLDER


@click.command()
@click.option("-o", "--output", type=FOLDER, default="demo", show_default=True, help="The folder for the files.")
def demo(output: pathlib.Path) -> None:
    """Learns handwritten digits at 1 bit and mixed bits, compiles, checks, reports and times them; about a minute.

    The digits are scikit-learn's, embedded: nothing is downloaded.
    """
    from qcompile.demo import run_demo

    for text in run_demo(output):
        click.echo(text)
