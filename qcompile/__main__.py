"""``python -m qcompile``: the command, for launchers such as torchrun that start modules."""

from qcompile.cli import main

if __name__ == "__main__":
    main(prog_name="qcompile")
