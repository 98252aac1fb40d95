"""Writes docs/cli.md from the commands' own help: python docs/write_cli.py."""

import pathlib

from click.testing import CliRunner

from qcompile.cli import main


def shown_help(*arguments: str) -> str:
    """What ``qcompile ARGUMENTS --help`` prints."""
    return CliRunner().invoke(main, [*arguments, "--help"], prog_name="qcompile").output


def write() -> None:
    """Writes the page beside this file."""
    parts = ["# Commands\n\nWritten by `python docs/write_cli.py`; a test holds it against the commands.\n"]
    parts += [f"\n```\n{shown_help(*names)}```\n" for names in ([], *([name] for name in main.commands))]
    pathlib.Path(__file__).with_name("cli.md").write_text("".join(parts))


if __name__ == "__main__":
    write()
