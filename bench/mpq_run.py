"""What the tables of mixed precision share: a supernet that is trained or taken up, and the accuracy of a plan."""

import argparse
import hashlib
import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mpq_kept import kept

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import RecipeError
from qcompile.files import write_atomically
from qcompile.frontend.interruption import stop_requests
from qcompile.frontend.mixed import layer_costs
from qcompile.frontend.one_shot_recipe import OneShotRecipe
from qcompile.frontend.one_shot_run import OneShotRun, open_run
from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run import learn
from qcompile.frontend.run.one_shot import SUPERNET, use_plan
from qcompile.frontend.run_folder import RunFolder
from qcompile.frontend.training import Samples, evaluate
from qcompile.search import SearchSpace

BATCH = 100  # images at once: larger ones leave the cache


@dataclass(frozen=True, eq=False)
class Opened:
    """A trained supernet: what its plans cost, the ``folder`` of what was found of it, the SHA-256 of its file."""

    run: OneShotRun
    space: SearchSpace
    folder: pathlib.Path
    identity: str


def load_one_shot(name: str, overrides: Sequence[str]) -> OneShotRecipe:
    """The recipe with ``overrides``. Raises RecipeError if it trains no supernet."""
    recipe = load_recipe(name, overrides)
    if not isinstance(recipe, OneShotRecipe):
        raise RecipeError(f'{name}: the method is "{recipe.method}", wanted "one-shot"')
    return recipe


def main_run(arguments: argparse.Namespace) -> pathlib.Path:
    """The folder of the supernet that all tables but the ablation are about."""
    return pathlib.Path(arguments.runs, pathlib.Path(arguments.recipe).stem)


def train(
    recipe: OneShotRecipe, run: pathlib.Path, data_dir: pathlib.Path, reference: pathlib.Path | None
) -> tuple[dict[str, Any], float | None]:
    """Runs or takes up ``recipe`` in ``run``: its plan, and the seconds that were spent here, None if none were."""
    spent = pathlib.Path(f"{run}-figures", "seconds.json")
    if (run / "plan.json").exists():
        RunFolder(run).open(recipe, resume=True)  # another recipe is refused
        print(f"{run.name}: is there", flush=True)
        return json.loads((run / "plan.json").read_text()), _seconds(spent)
    spent.parent.mkdir(parents=True, exist_ok=True)
    start, resume = time.perf_counter(), (run / "recipe.toml").exists()
    print(f"{run.name}: {'goes on' if resume else 'begins'}", flush=True)
    try:
        with stop_requests() as stop:
            plan = learn(recipe, data_dir, run, resume=resume, reference=reference, stop=stop)
    finally:
        total = (_seconds(spent) or 0.0) + time.perf_counter() - start
        write_atomically(spent, json.dumps(total).encode())
    return plan, total


def open_supernet(run: pathlib.Path, data_dir: pathlib.Path) -> Opened:
    """The finished run in the folder ``run``. Raises QCompileError if there is none."""
    opened = open_run(run, data_dir)
    space = SearchSpace(layer_costs(opened.supernet, tuple(opened.trained_on.images.shape[1:])))
    identity = hashlib.sha256((run / SUPERNET).read_bytes()).hexdigest()
    return Opened(opened, space, pathlib.Path(f"{run}-figures"), identity)


def measure_plan(opened: Opened, plan: BitPlan) -> dict[str, Any]:
    """Accuracy of ``plan`` with batch statistics of its own, on the images held out and on the test images.

    "wrong" are the test images that it labels wrongly. Measured once: kept by the plan.
    """
    bits = plan_as_json(plan)
    name = hashlib.sha256(json.dumps(bits).encode()).hexdigest()[:16]
    settings = {"supernet": opened.identity, "plan": bits}
    return kept(opened.folder / "plans-measured" / f"{name}.json", settings, lambda: _measure(opened.run, plan))


def accuracies(run: OneShotRun, network: torch.nn.Module) -> dict[str, Any]:
    """What ``measure_plan`` gives, of ``network`` as it stands."""
    loss, error = evaluate(network, run.held_out)
    wrong = wrong_images(predictions(network, run.test.images), run.test)
    return {
        "held_out_loss": loss,
        "held_out_accuracy": 100 - error,
        "test_accuracy": 100 - 100 * len(wrong) / len(run.test.labels),
        "wrong": wrong,
    }


def predictions(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The class of each image [count], int64."""
    return outputs(network, images).argmax(dim=1)


def outputs(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The logits [count, classes] of ``images``, in float32."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(part) for part in torch.split(images, BATCH)])


def wrong_images(found: torch.Tensor, samples: Samples) -> list[int]:
    """The places of ``samples`` that are labelled otherwise than ``found``."""
    return (found != samples.labels).nonzero().flatten().tolist()


def plan_as_json(plan: BitPlan) -> dict[str, list[int]]:
    """By layer the bits of its weight and of its activations."""
    return {name: [bits.weight, bits.activation] for name, bits in plan.items()}


def plan_from_json(found: Mapping[str, Sequence[int]]) -> dict[str, LayerBits]:
    """The plan that ``plan_as_json`` gave."""
    return {name: LayerBits(*bits) for name, bits in found.items()}


def describe_recipe(recipe: OneShotRecipe) -> dict[str, Any]:
    """What the page says of a training: how long it was, and of how many passes."""
    return {
        "network": recipe.network,
        "data": recipe.data,
        "seed": recipe.seed,
        "threads": recipe.threads,
        "epochs": recipe.learning.epochs,
        "passes_a_step": 1 + recipe.learning.passes.random,
        "passes": recipe.learning.epochs * (1 + recipe.learning.passes.random),
        "scheduler": recipe.learning.scheduler,
        "mitigation": recipe.learning.passes.mitigation.weight,
        "steps_per": recipe.steps_per,
    }


def _measure(run: OneShotRun, plan: BitPlan) -> dict[str, Any]:
    use_plan(run.supernet, plan, run.trained_on, run.recipe)
    return accuracies(run, run.supernet)


def _seconds(path: pathlib.Path) -> float | None:
    return json.loads(path.read_text()) if path.exists() else None
