"""How much the widths of one set of weights disturb each other: dedicated trainings, flips of codes, gradients."""

import argparse
import pathlib
from collections.abc import Callable
from typing import Any

from mpq_ablation import arm_folder, reference_of
from mpq_arms import PLAIN, arms, epochs_for
from mpq_probes import probe_run
from mpq_run import describe_recipe, load_one_shot, train

from qcompile.bit_plan import LayerBits
from qcompile.frontend.mixed import Candidates, select_candidates
from qcompile.frontend.one_shot_recipe import OneShotRecipe
from qcompile.models import build_network

DEDICATED = (6, 4, 3, 2)


def measure(arguments: argparse.Namespace, save: Callable[[Any], None]) -> None:
    """Trainings for each seed: the supernet of the ablation, one without the smallest width, dedicated ones.

    Then, for the first seed, a training that is looked into. Saved behind each.
    """
    base = load_one_shot(arguments.recipe, arguments.overrides)
    found: dict[str, Any] = {"overrides": list(arguments.overrides), "rows": [], "probes": None}
    for seed in arguments.seeds:
        for name, overrides in trainings(base).items():
            found["rows"].append(_row(arguments, name, overrides, seed))
            save(found)
        if found["probes"] is None:
            run = arm_folder(arguments, "none", seed)
            recipe = load_one_shot(arguments.recipe, [*arguments.overrides, *trainings(base)["none"], f"seed={seed}"])
            found["probes"] = probe_run(recipe, run, arguments.data_dir, arguments.probes)
            save(found)


def trainings(base: OneShotRecipe) -> dict[str, list[str]]:
    """Overrides of each training, all of as many passes; "none" is the ablation's first arm and shares its run.

    "dedicated-B" trains uniform B bits alone; "without-smallest" all widths but each layer's smallest.
    """
    own = select_candidates(build_network(base.network), base.layers)
    alone = [*PLAIN, f"learning.epochs={epochs_for(base, 1)}", "learning.passes.random=0"]
    supernet = list(arms(base, [])[0].overrides)
    named = {"none": supernet, "without-smallest": [*supernet, *layer_overrides(_without_smallest(own))]}
    return named | {f"dedicated-{bits}": [*alone, *layer_overrides(only(own, bits))] for bits in DEDICATED}


def only(candidates: dict[str, Candidates], bits: int) -> dict[str, Candidates]:
    """Of each layer the candidate that a uniform plan of ``bits`` has."""
    chosen = {
        name: LayerBits(_nearest(each.weight, bits), _nearest(each.activation, bits))
        for name, each in candidates.items()
    }
    return {name: Candidates((each.weight,), (each.activation,)) for name, each in chosen.items()}


def layer_overrides(candidates: dict[str, Candidates]) -> list[str]:
    """Overrides of a recipe that give each layer these candidates; they come before the recipe's own patterns."""
    rows = (
        f'"{name}"={{weight={list(each.weight)},activation={list(each.activation)}}}'
        for name, each in candidates.items()
    )
    return [f"layers={{{','.join(rows)}}}"]


def _row(arguments: argparse.Namespace, name: str, overrides: list[str], seed: int) -> dict[str, Any]:
    recipe = load_one_shot(arguments.recipe, [*arguments.overrides, *overrides, f"seed={seed}"])
    run = arm_folder(arguments, name, seed)
    plan, seconds = train(recipe, run, arguments.data_dir, reference_of(arguments, run))
    uniform = {each.split()[0]: 100 - error for each, error in plan["test_error_percent"].items() if "bits" in each}
    return {
        "training": name,
        "seed": seed,
        "recipe": describe_recipe(recipe),
        "seconds": seconds,
        "uniform": uniform,
        "run": pathlib.Path(run).name,
    }


def _without_smallest(candidates: dict[str, Candidates]) -> dict[str, Candidates]:
    return {
        name: Candidates(each.weight[1:] or each.weight, each.activation[1:] or each.activation)
        for name, each in candidates.items()
    }


def _nearest(widths: tuple[int, ...], bits: int) -> int:
    return max((found for found in widths if found <= bits), default=widths[0])
