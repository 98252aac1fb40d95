"""What each part of the training is worth: arms at equal numbers of forward passes, on paired seeds."""

import argparse
import pathlib
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from mpq_arms import Arm, arms
from mpq_kept import kept
from mpq_run import describe_recipe, load_one_shot, measure_plan, open_supernet, train
from mpq_targets import plans_of_spread_costs

from qcompile.files import write_atomically


def measure(arguments: argparse.Namespace, save: Callable[[Any], None]) -> None:
    """A row for each seed and arm; all arms of a seed come first, and what is there is saved behind each."""
    rows: list[dict[str, Any]] = []
    chosen = arms(load_one_shot(arguments.recipe, arguments.overrides), arguments.arms)
    for seed in arguments.seeds:
        for arm in chosen:
            rows.append(arm_row(arguments, arm, seed))
            print(f"{arm.name}, seed {seed}: random plans {mean_accuracy(rows[-1], 'test'):.2f} %", flush=True)
            save({"overrides": list(arguments.overrides), "random_plans": arguments.random_plans, "rows": rows})


def arm_row(arguments: argparse.Namespace, arm: Arm, seed: int) -> dict[str, Any]:
    """Trains the supernet of ``arm`` and ``seed``, or takes it up; its accuracies."""
    overrides = [*arguments.overrides, *arm.overrides, f"seed={seed}"]
    recipe = load_one_shot(arguments.recipe, overrides)
    run = arm_folder(arguments, arm.name, seed)
    plan, seconds = train(recipe, run, arguments.data_dir, reference_of(arguments, run))
    settings = {"overrides": overrides, "random_plans": arguments.random_plans}
    found = kept(
        pathlib.Path(f"{run}-figures", "arm.json"),
        settings,
        lambda: _random_plans(run, arguments.data_dir, arguments.random_plans),
    )
    uniform = {name.split()[0]: 100 - error for name, error in plan["test_error_percent"].items() if "bits" in name}
    return {
        "arm": arm.name,
        "seed": seed,
        "recipe": describe_recipe(recipe),
        "seconds": seconds,
        "reference": 100 - plan["test_error_percent"]["reference"],
        "uniform": uniform,
        "random": found,
    }


def arm_folder(arguments: argparse.Namespace, name: str, seed: int) -> pathlib.Path:
    """Where the run of an arm is."""
    return pathlib.Path(arguments.runs, f"{pathlib.Path(arguments.recipe).stem}-ablation", f"{name}-seed{seed}")


def reference_of(arguments: argparse.Namespace, run: pathlib.Path) -> pathlib.Path | None:
    """The float network from which all arms and seeds start: what was given, or the one that the first run trained."""
    if arguments.reference is not None:
        return pathlib.Path(arguments.reference)
    kept_there = run.parent / "reference.safetensors"
    if not kept_there.exists():
        trained = sorted(run.parent.glob("*/reference.safetensors"))
        if trained and trained[0].parent != run:
            write_atomically(kept_there, trained[0].read_bytes())
    return kept_there if kept_there.exists() else None


def mean_accuracy(row: dict[str, Any], images: str) -> float:
    """The mean over random plans, on "test" or on "held_out" images."""
    return statistics.fmean(plan[f"{images}_accuracy"] for plan in row["random"])


def by_seed(rows: Sequence[dict[str, Any]], arm: str, value: Callable[[dict[str, Any]], float]) -> dict[int, float]:
    """The ``value`` of an arm's rows."""
    return {row["seed"]: value(row) for row in rows if row["arm"] == arm}


def _random_plans(run: pathlib.Path, data_dir: pathlib.Path, count: int) -> list[dict[str, float]]:
    """Accuracies of random plans, the same for all arms: their costs lie evenly between 2 and 6 bits."""
    opened = open_supernet(run, data_dir)
    return [
        {key: found[key] for key in ("held_out_accuracy", "test_accuracy")}
        | {"bit_operations": opened.space.costs(plan).bit_operations}
        for plan in plans_of_spread_costs(opened.space, count)
        for found in [measure_plan(opened, plan)]
    ]
