"""The result tables of learning-compression; each writes docs/results/lc-TABLE.json, and all that are there lc.md.

    python bench/lc.py lenet300 --data-dir DATA --runs RUNS [--old-python PYTHON]
    python bench/lc.py lenet5 --data-dir DATA --runs RUNS [--old-python PYTHON]
    python bench/lc.py widths --data-dir DATA --runs RUNS [--old-python PYTHON]
    python bench/lc.py superresolution --data-dir DATA [--old-python PYTHON]
    python bench/lc.py resnet20 --data-dir DATA --runs RUNS --reference FILE [--seeds 1,2,3] [--recipes NAME,NAME]

RUNS keeps the run folders; finished and interrupted ones are taken up. --set KEY=VALUE changes every recipe. PYTHON
is that of an environment with the oldest supported onnxruntime; FILE holds the trained float ResNet-20.
"""

import argparse
import json
import pathlib
import shlex
import sys
from collections.abc import Callable
from typing import Any

import lenet_table
import resnet20_table
import superresolution
import widths_table
from learned_runs import failed_checks, write_figures

from qcompile.files import write_atomically

RESULTS = pathlib.Path(__file__).parent.parent / "docs" / "results"
Table = tuple[Callable[[argparse.Namespace], list[dict[str, Any]]], Callable[[list[dict[str, Any]]], str]]
TABLES: dict[str, Table] = {
    "lenet300": (lambda arguments: lenet_table.measure("lenet300", arguments), lenet_table.as_markdown),
    "lenet5": (lambda arguments: lenet_table.measure("lenet5", arguments), lenet_table.as_markdown),
    "widths": (widths_table.measure, widths_table.as_markdown),
    "superresolution": (superresolution.measure, superresolution.as_markdown),
    "resnet20": (resnet20_table.measure, resnet20_table.as_markdown),
}


def write_markdown() -> None:
    """Writes lc.md from the figures of every table that was measured."""
    lines = ["# Learning-compression", "", "Written by `bench/lc.py`; the command of each table stands with it."]
    for name, (_, as_markdown) in TABLES.items():
        path = RESULTS / f"lc-{name}.json"
        if path.exists():
            figures = json.loads(path.read_text())
            lines += ["", as_markdown(figures["results"]), f"`{figures['command']}`; figures in {path.name}."]
    write_atomically(RESULTS / "lc.md", ("\n".join(lines) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs"))
    parser.add_argument("--reference", type=pathlib.Path)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[1])
    parser.add_argument("--recipes", type=lambda text: text.split(","), default=list(resnet20_table.RECIPES))
    parser.add_argument("--old-python", type=pathlib.Path)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    measure, _ = TABLES[arguments.table]
    results = measure(arguments)
    command = shlex.join(["python", "bench/lc.py", arguments.table, "--data-dir", "DATA", *shown(arguments)])
    write_figures(RESULTS / f"lc-{arguments.table}.json", command, results)
    write_markdown()
    if failures := failed_checks(results):
        sys.exit(f"checks failed: {', '.join(failures)}")


def shown(arguments: argparse.Namespace) -> list[str]:
    """The options that were given, with names in the place of paths."""
    options = [] if arguments.table == "superresolution" else ["--runs", "RUNS"]
    if arguments.reference:
        options += ["--reference", "FILE"]
    if arguments.seeds != [1]:
        options += ["--seeds", ",".join(map(str, arguments.seeds))]
    if arguments.recipes != list(resnet20_table.RECIPES):
        options += ["--recipes", ",".join(arguments.recipes)]
    options += [part for override in arguments.overrides for part in ("--set", override)]
    return options + (["--old-python", "PYTHON"] if arguments.old_python else [])


if __name__ == "__main__":
    main()
