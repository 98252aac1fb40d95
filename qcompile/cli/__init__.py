"""The command `qcompile`: one file a command; each reads files, calls one function, writes files, prints a report."""

import logging
from typing import Any

import click

from qcompile import __version__
from qcompile.cli.bench import bench
from qcompile.cli.compile import compile_command
from qcompile.cli.debug import debug
from qcompile.cli.demo import demo
from qcompile.cli.doctor import doctor
from qcompile.cli.learn import learn
from qcompile.cli.report import report
from qcompile.cli.run import run
from qcompile.cli.search import search
from qcompile.cli.verify import verify
from qcompile.errors import QCompileError
from qcompile.text import printable_lines


class Group(click.Group):
    """Turns an error of ours into one line for the user; a bug still gives a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command.

        Raises click.ClickException (exit code 1) in place of a QCompileError.
        """
        logging.getLogger("onnx_ir").setLevel(logging.CRITICAL)  # what it logs is no concern of the user's
        try:
            return super().invoke(ctx)
        except QCompileError as error:
            raise click.ClickException(printable_lines(str(error))) from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Learns low-bit networks, compiles them into packed ONNX files, runs and reports them.

    The way of a network: learn (-> search) -> compile -> verify -> report -> run. Try `qcompile demo`.
    """


for command in (demo, learn, search, compile_command, verify, report, debug, run, bench, doctor):
    main.add_command(command)
