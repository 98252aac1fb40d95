"""`qcompile compile`: an exported model into a packed file."""

import pathlib

import click

from qcompile.cli.options import EXISTING, TO_FILE


@click.command("compile")
@click.argument("exported", type=EXISTING)
@click.option("-o", "--output", type=TO_FILE, required=True, help="Where to write the packed model.")
@click.option(
    "--functions/--no-functions",
    default=True,
    show_default=True,
    help="Put the operators' portable bodies into the file: without them it needs our library.",
)
def compile_command(exported: pathlib.Path, output: pathlib.Path, functions: bool) -> None:
    """Packs EXPORTED, an ONNX model whose weights are codebook lookups, into one small file.

    What each layer became, and why a layer was left alone, is printed.
    """
    from qcompile.compiler import compile_file

    click.echo(compile_file(exported, output, functions=functions).as_text())
