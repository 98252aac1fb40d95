"""Plans searched at the costs of uniform bits, beside the uniform plans, and compiled to files that are checked."""

import argparse
import dataclasses
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

from mpq_files import compile_and_check
from mpq_kept import kept
from mpq_pairs import image_difference
from mpq_run import Opened, main_run, measure_plan, open_supernet, plan_as_json, plan_from_json
from mpq_targets import Target, targets

from qcompile.bit_plan import BitPlan, LayerBits, write_plan
from qcompile.errors import QCompileError
from qcompile.files import write_atomically
from qcompile.frontend.mixed import PlanScore
from qcompile.frontend.training import Samples
from qcompile.search import (
    Budget,
    Scores,
    SearchResult,
    SearchSpace,
    allocation_search,
    largest_uniform,
    measure_deltas_apart,
    random_search,
    search_from_starts,
    uniform_plan,
)

METHODS = ("greedy", "allocation", "random")


def measure(arguments: argparse.Namespace, save: Callable[[Any], None]) -> None:
    """A row for each budget: what each method finds, the uniform plan below it, the greedy plan's file.

    Saved behind each row: what is there is a page.
    """
    opened = open_supernet(main_run(arguments), arguments.data_dir)
    rows: list[dict[str, Any]] = []
    for target in targets(opened.space):
        rows.append(_row(opened, target, arguments))
        save(
            {
                "images": min(arguments.images, len(opened.run.held_out.labels)),
                "test_images": len(opened.run.test.labels),
                "evaluations": arguments.evaluations,
                "rows": rows,
            }
        )


def chosen_plan(opened: Opened, name: str) -> dict[str, LayerBits]:
    """The greedy plan of the target ``name``, as `plans` found it. Raises QCompileError if that was not run."""
    found = kept_search(opened, name, "greedy")
    if not found.exists():
        raise QCompileError(f"{found}: is not there; run `python bench/mpq.py plans` before")
    return plan_from_json(json.loads(found.read_text())["result"]["plan"])


def kept_search(opened: Opened, target: str, method: str) -> pathlib.Path:
    """Where the result of a search is kept."""
    return opened.folder / "searches" / f"{target}-{method}.json"


def score_plans(opened: Opened, images: int) -> PlanScore:
    """The score by which searches judge: the loss on the first ``images`` that were held out."""
    held_out = opened.run.held_out
    return PlanScore(opened.run.supernet, Samples(held_out.images[:images], held_out.labels[:images]))


def search_once(space: SearchSpace, score: PlanScore, limits: Budget, method: str, evaluations: int) -> dict[str, Any]:
    """What ``method`` finds, alone, with the evaluations and the seconds that it took; allocation takes its own."""
    scores, start = Scores(score), time.perf_counter()
    found = _search(space, scores, limits, method, evaluations)
    return {
        "plan": plan_as_json(found.plan),
        "loss": found.loss,
        "costs": dataclasses.asdict(found.costs) | {"average_bits": found.costs.average_bits},
        "evaluations": scores.evaluations,
        "seconds": time.perf_counter() - start,
    }


def _search(space: SearchSpace, scores: Scores, limits: Budget, method: str, evaluations: int) -> SearchResult:
    match method:
        case "allocation":
            return allocation_search(space, scores, limits, measure_deltas_apart(space, scores))
        case "random":
            return random_search(space, scores, limits, evaluations=evaluations)
    return search_from_starts(space, scores, limits, evaluations=evaluations)


def _row(opened: Opened, target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    uniform = _uniform(opened, target)
    found: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        found[method] = _searched(opened, target, method, arguments, found.get("greedy"))
        found[method] |= _against(opened, plan_from_json(found[method]["plan"]), uniform)
        print(f"{target.name} {method}: {found[method]['test_accuracy']:.2f} %", flush=True)
    greedy = plan_from_json(found["greedy"]["plan"])
    _write_plan(opened, target, greedy, found["greedy"])
    shown = {key: value for key, value in uniform.items() if key != "wrong"}
    file = compile_and_check(opened, greedy, target.name)
    limit = next(iter(target.budget.limits().values()))
    return {"kind": target.kind, "level": target.level, "limit": limit, "uniform": shown, "found": found, "file": file}


def _searched(
    opened: Opened, target: Target, method: str, arguments: argparse.Namespace, greedy: dict[str, Any] | None
) -> dict[str, Any]:
    """Random search may score as many plans as the greedy one did."""
    evaluations = arguments.evaluations if greedy is None else greedy["evaluations"]
    settings = {
        "supernet": opened.identity,
        "budget": target.budget.as_text(),
        "images": arguments.images,
        "evaluations": evaluations,
    }
    score = score_plans(opened, arguments.images)
    return kept(
        kept_search(opened, target.name, method),
        settings,
        lambda: search_once(opened.space, score, target.budget, method, evaluations),
    )


def _uniform(opened: Opened, target: Target) -> dict[str, Any]:
    """The largest uniform plan that the budget allows; there always is one, at 2 bits."""
    plan = largest_uniform(opened.space, target.budget)
    assert plan is not None
    bits = min(bits for bits in range(2, 9) if uniform_plan(opened.space, bits) == plan)
    return {"bits": bits, "costs": dataclasses.asdict(opened.space.costs(plan)), **measure_plan(opened, plan)}


def _against(opened: Opened, plan: BitPlan, uniform: dict[str, Any]) -> dict[str, Any]:
    """The accuracy of ``plan``, and its difference to the uniform one, image by image."""
    own = measure_plan(opened, plan)
    gain = image_difference(own["wrong"], uniform["wrong"], len(opened.run.test.labels))
    return {key: own[key] for key in ("held_out_accuracy", "test_accuracy")} | {"gain": dataclasses.asdict(gain)}


def _write_plan(opened: Opened, target: Target, plan: BitPlan, found: dict[str, Any]) -> None:
    path = opened.folder / "plans" / f"{target.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = {"budget": target.budget.as_text()} | {key: found[key] for key in ("loss", "evaluations", "costs")}
    write_atomically(path, write_plan(plan, notes).encode())
