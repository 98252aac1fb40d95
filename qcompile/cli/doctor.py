"""`qcompile doctor`: what this machine has and what will run."""

import click

from qcompile.cli.options import json_option


@click.command()
@json_option()
def doctor(as_json: bool) -> None:
    """Prints versions, the kernel library, the instruction sets found and the kernels chosen."""
    from qcompile.diagnosis import diagnose

    result = diagnose()
    click.echo(result.as_json() if as_json else result.as_text())
