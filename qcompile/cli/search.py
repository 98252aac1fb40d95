"""``qcompile search``: which bits each layer of a trained supernet should have, without training."""

import dataclasses
import json
import pathlib
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from qcompile.cli.options import EXISTING, FOLDER, json_option, read_text
from qcompile.errors import QCompileError
from qcompile.extras import require_training
from qcompile.files import write_atomically

if TYPE_CHECKING:
    from qcompile.search import Budget, SearchResult
    from qcompile.search.front import Search


@click.command()
@click.argument("run", type=FOLDER)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    required=True,
    metavar="LIMITS",
    help="The most that a plan may cost: bytes=80k, bitops=0.4G, bits=3.2, latency=5ms, or several with commas between."
    " Repeat it for several plans.",
)
@click.option("-o", "--output", type=FOLDER, required=True, help="The folder of the plans, one file a budget.")
@click.option("--data-dir", type=FOLDER, default=pathlib.Path(), help="Where the data sets lie, as for learn.")
@click.option(
    "--method",
    type=click.Choice(["greedy", "allocation", "random"]),
    default="greedy",
    show_default=True,
    help="Up and down step by step; each layer measured alone, then the best sum; the best of random plans.",
)
@click.option("--evaluations", type=click.IntRange(1), default=1000, show_default=True, help="Plans to score at most.")
@click.option("--images", type=click.IntRange(1), default=1024, show_default=True, help="Held-out images to score by.")
@click.option("--latencies", type=EXISTING, help="Measured times of each layer, for latency=.")
@json_option()
def search(
    run: pathlib.Path,
    budgets: tuple[str, ...],
    output: pathlib.Path,
    data_dir: pathlib.Path,
    method: str,
    evaluations: int,
    images: int,
    latencies: pathlib.Path | None,
    as_json: bool,
) -> None:
    """Finds bits for the layers of RUN, a folder of qcompile learn with a one-shot recipe, that meet each budget.

    Plans are scored on training images that were held out; nothing is trained. A plan is JSON that may be edited;
    `qcompile compile RUN --plan PLAN` makes a file of it.
    """
    require_training("searching")
    from qcompile.frontend.one_shot_run import open_run, search_plans
    from qcompile.search import budget, read_latencies

    wanted = [budget(text) for text in budgets]
    table = None if latencies is None else read_latencies(read_text(latencies), str(latencies))
    opened, start = open_run(run, data_dir), time.perf_counter()
    found = search_plans(
        opened, wanted, _search(method, evaluations), images=images, latencies=table, on_evaluation=_tell
    )
    seconds = time.perf_counter() - start
    rows = [
        _row(limits, each, _write(output, limits, each, method, images))
        for limits, each in zip(wanted, found, strict=True)
    ]
    if sys.stderr.isatty():
        click.echo(err=True)
    if as_json:
        click.echo(json.dumps({"plans": rows, "seconds": seconds}, indent=2))
        return
    for row in rows:
        click.echo(_line(row))


def _search(method: str, evaluations: int) -> "Search":
    from qcompile.search import allocation_search, measure_deltas_apart, random_search, search_from_starts

    match method:
        case "allocation":
            return lambda space, scores, limits: allocation_search(
                space, scores, limits, measure_deltas_apart(space, scores)
            )
        case "random":
            return lambda space, scores, limits: random_search(space, scores, limits, evaluations=evaluations)
    return lambda space, scores, limits: search_from_starts(space, scores, limits, evaluations=evaluations)


def _tell(count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rscored {count} plans", nl=False, err=True)


def _write(folder: pathlib.Path, limits: "Budget", found: "SearchResult", method: str, images: int) -> pathlib.Path:
    """The file that the plan was written to."""
    from qcompile.bit_plan import write_plan

    path = folder / f"{limits.as_text().replace('=', '-').replace(',', '_')}.json"
    notes = {"budget": limits.as_text(), "method": method, "held_out_images": images, **_figures(found)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write_plan(found.plan, notes).encode())
    except OSError as error:
        raise QCompileError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _figures(found: "SearchResult") -> dict[str, Any]:
    costs = dataclasses.asdict(found.costs) | {"average_bits": found.costs.average_bits}
    return {"loss": found.loss, "evaluations": found.evaluations, "costs": costs}


def _row(limits: "Budget", found: "SearchResult", path: pathlib.Path) -> dict[str, Any]:
    return {"budget": limits.as_text(), "plan": str(path), **_figures(found)}


def _line(row: dict[str, Any]) -> str:
    costs = row["costs"]
    return (
        f"{row['plan']}: loss {row['loss']:.4f}, {costs['packed_bytes']:,} bytes, "
        f"{costs['bit_operations'] / 1e9:.3f} G bit operations, {costs['average_bits']:.2f} bits a weight, "
        f"{row['evaluations']} plans scored"
    )
