"""The tables of one-shot mixed precision: each writes docs/results/mpq-TABLE.json; mpq.md has all that are there.

    python bench/mpq.py supernet     --data-dir DATA --runs RUNS [--reference FILE]
    python bench/mpq.py plans        --data-dir DATA --runs RUNS
    python bench/mpq.py retraining   --data-dir DATA --runs RUNS
    python bench/mpq.py rank         --data-dir DATA --runs RUNS
    python bench/mpq.py latency      --data-dir DATA --runs RUNS
    python bench/mpq.py ablation     --data-dir DATA --runs RUNS [--reference FILE] --set learning.epochs=4
    python bench/mpq.py interference --data-dir DATA --runs RUNS [--reference FILE] --set learning.epochs=4

RUNS keeps the run folders, and beside each RUN-figures with all that was found of it; what is finished is taken up,
what was interrupted goes on. --set KEY=VALUE changes the recipe. FILE holds the trained float network. All but
supernet, ablation and interference need the run of supernet; retraining needs plans.
"""

import argparse
import json
import pathlib
import shlex
import sys
from collections.abc import Callable
from typing import Any

import mpq_ablation
import mpq_ablation_page
import mpq_interference
import mpq_interference_page
import mpq_latency
import mpq_plans
import mpq_plans_page
import mpq_rank
import mpq_retraining
import mpq_supernet
from learned_runs import write_figures
from mpq_markdown import flow

from qcompile.errors import QCompileError
from qcompile.files import write_atomically
from qcompile.frontend.interruption import RunInterruptedError

RESULTS = pathlib.Path(__file__).parent.parent / "docs" / "results"
INTERRUPTED = 75  # as of qcompile learn
Measure = Callable[[argparse.Namespace, Callable[[Any], None]], None]
TABLES: dict[str, tuple[Measure, Callable[[dict[str, Any]], str]]] = {
    "supernet": (mpq_supernet.measure, mpq_supernet.as_markdown),
    "plans": (mpq_plans.measure, mpq_plans_page.as_markdown),
    "retraining": (mpq_retraining.measure, mpq_retraining.as_markdown),
    "rank": (mpq_rank.measure, mpq_rank.as_markdown),
    "latency": (mpq_latency.measure, mpq_latency.as_markdown),
    "ablation": (mpq_ablation.measure, mpq_ablation_page.as_markdown),
    "interference": (mpq_interference.measure, mpq_interference_page.as_markdown),
}
# Options that only some tables read, by their names in the code, with what holds if they are not given.
NUMBERS = {
    "images": (1024, "plans, rank, latency: held-out images that a search scores by"),
    "evaluations": (1000, "plans, latency: plans that a search may score"),
    "epochs": (3, "retraining: epochs of the chosen plan alone"),
    "plans": (50, "rank: plans of each group"),
    "rounds": (31, "latency: rounds in which the files take turns"),
    "random_plans": (20, "ablation: random plans that each supernet is measured at"),
    "probes": (8, "interference: times at which codes and gradients are compared"),
}


def main() -> None:
    arguments = parse(sys.argv[1:])
    try:
        make_table(arguments)
    except RunInterruptedError as interruption:
        print(interruption, file=sys.stderr)
        sys.exit(INTERRUPTED)
    except QCompileError as error:
        sys.exit(f"error: {error}")


def make_table(arguments: argparse.Namespace) -> None:
    """Measures one table and writes it, and the page; a table of many long runs is written behind each of them."""
    measure, _ = TABLES[arguments.table]
    command = shlex.join(["python", "bench/mpq.py", arguments.table, "--data-dir", "DATA", *shown(arguments)])

    def save(results: Any) -> None:
        write_figures(arguments.output / f"mpq-{arguments.table}.json", command, results)
        write_markdown(arguments.output)

    measure(arguments, save)


def write_markdown(folder: pathlib.Path) -> None:
    """Writes mpq.md from the figures of every table that is in ``folder``."""
    lines = [
        "# One-shot mixed precision",
        "",
        "Written by `bench/mpq.py`; the command of each table stands with it. Test images are for the final word",
        "only: plans are chosen, and settings compared, by training images that were held out.",
    ]
    for name, (_, as_markdown) in TABLES.items():
        path = folder / f"mpq-{name}.json"
        if path.exists():
            figures = json.loads(path.read_text())
            lines += ["", flow(as_markdown(figures["results"])), f"`{figures['command']}`; figures in {path.name}."]
    write_atomically(folder / "mpq.md", ("\n".join(lines) + "\n").encode())


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--recipe", default="resnet20-one-shot")
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs"))
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the folder of the page")
    parser.add_argument("--reference", type=pathlib.Path)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2, 3])
    parser.add_argument("--arms", type=lambda text: text.split(","), default=None, help="ablation: only these")
    parser.add_argument("--seconds", type=float, default=0.5, help="latency: of each file behind the table of times")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    for name, (default, text) in NUMBERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=text)
    return parser.parse_args(words)


def shown(arguments: argparse.Namespace) -> list[str]:
    """The options that differ from the usual ones, with names in the place of paths."""
    usual = parse([arguments.table, "--data-dir", "."])
    options = ["--runs", "RUNS"] + (["--reference", "FILE"] if arguments.reference else [])
    if arguments.recipe != usual.recipe:
        options += ["--recipe", pathlib.Path(arguments.recipe).name]
    if arguments.seeds != usual.seeds:
        options += ["--seeds", ",".join(map(str, arguments.seeds))]
    if arguments.arms:
        options += ["--arms", ",".join(arguments.arms)]
    for name in ("seconds", *NUMBERS):
        if getattr(arguments, name) != getattr(usual, name):
            options += [f"--{name.replace('_', '-')}", f"{getattr(arguments, name):g}"]
    return options + [part for override in arguments.overrides for part in ("--set", override)]


if __name__ == "__main__":
    main()
