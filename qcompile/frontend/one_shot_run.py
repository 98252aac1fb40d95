"""A finished one-shot run: its supernet is read back, searched, and written as ONNX with the bits of a plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import DataError, QCompileError
from qcompile.frontend.checkpoints import read_tensors
from qcompile.frontend.mixed.candidates import select_candidates
from qcompile.frontend.mixed.export_plan import export_supernet
from qcompile.frontend.mixed.layer_costs import layer_costs
from qcompile.frontend.mixed.plan_score import PlanScore
from qcompile.frontend.mixed.supernet import Supernet, build_supernet
from qcompile.frontend.one_shot_recipe import OneShotRecipe
from qcompile.frontend.plan import SCHEMA_VERSION
from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run.data import load_samples
from qcompile.frontend.run.one_shot import SUPERNET, split, use_plan
from qcompile.frontend.tables import as_table
from qcompile.frontend.training import Samples, evaluate
from qcompile.models import build_network
from qcompile.search import Budget, LatencyTable, Scores, SearchResult, SearchSpace, search_front
from qcompile.search.front import Search


@dataclass(frozen=True, eq=False)
class OneShotRun:
    """A trained supernet and its data: ``trained_on``, ``held_out`` for choosing, ``test`` for the final word."""

    recipe: OneShotRecipe
    supernet: Supernet
    trained_on: Samples
    held_out: Samples
    test: Samples


def open_run(folder: Path, data_dir: Path) -> OneShotRun:
    """The run in ``folder``, with the data that it was trained on.

    Raises QCompileError if ``folder`` holds no finished one-shot run, DataError if a file is damaged or the data is not
    there.
    """
    recipe, supernet = load_supernet(folder)
    data = load_samples(recipe, data_dir)
    trained_on, held_out = split(data.train, recipe)
    return OneShotRun(recipe, supernet, trained_on, held_out, data.test)


def load_supernet(folder: Path) -> tuple[OneShotRecipe, Supernet]:
    """The recipe and the trained supernet of the run in ``folder``. Raises as ``open_run`` does."""
    recipe = _read_recipe(folder)
    torch.set_num_threads(recipe.threads)
    network = build_network(recipe.network)
    images = torch.rand(2, *network.input_shape, generator=torch.Generator().manual_seed(0))  # the saved steps count
    supernet = build_supernet(
        network, select_candidates(network, recipe.layers), images, images, steps_per=recipe.steps_per
    )
    tensors = read_tensors(folder / SUPERNET)
    try:
        supernet.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(f"{folder / SUPERNET}: does not fit network {recipe.network} ({error})") from error
    return recipe, supernet


def input_shape(recipe: OneShotRecipe) -> tuple[int, int, int]:
    """Channels, height and width of an image for the network of ``recipe``."""
    return build_network(recipe.network).input_shape


def uniform_pairs(supernet: Supernet) -> list[dict[str, LayerBits]]:
    """A plan for each pair of a weight width and an activation width: all layers have it, or the nearest they can."""
    all_candidates = supernet.candidates.values()
    weights = sorted({bits for candidates in all_candidates for bits in candidates.weight})
    activations = sorted({bits for candidates in all_candidates for bits in candidates.activation})
    plans = [
        {name: LayerBits(by_weight[name].weight, by_activation[name].activation) for name in supernet.candidates}
        for by_weight in map(supernet.uniform, weights)
        for by_activation in map(supernet.uniform, activations)
    ]
    return list({tuple(plan.items()): plan for plan in plans}.values())


def search_plans(
    run: OneShotRun,
    budgets: Sequence[Budget],
    search: Search,
    *,
    images: int,
    latencies: LatencyTable | None = None,
    on_evaluation: Callable[[int], None] = lambda count: None,
) -> list[SearchResult]:
    """A plan for each of ``budgets``, by the loss on the first ``images`` held-out images; nothing is trained.

    ``on_evaluation`` is told how many plans were scored. Raises BudgetError if a budget cannot be met.
    """
    space = SearchSpace(layer_costs(run.supernet, tuple(run.trained_on.images.shape[1:])), latencies)
    score = PlanScore(run.supernet, Samples(run.held_out.images[:images], run.held_out.labels[:images]))
    counted = 0

    def count_and_score(plan: BitPlan) -> float:
        nonlocal counted
        counted += 1
        on_evaluation(counted)
        return score(plan)

    return search_front(space, Scores(count_and_score), budgets, search)


def export_plan(run: OneShotRun, plan: BitPlan, path: Path) -> dict[str, Any]:
    """Writes the network at the bits of ``plan`` to ``path`` as ONNX; what is embedded in it, with the test error.

    Batch statistics are those of the plan. Raises DataError if ``plan`` is not one of this network.
    """
    use_plan(run.supernet, plan, run.trained_on, run.recipe)
    _, error_percent = evaluate(run.supernet, run.test)
    described = {
        "schema_version": SCHEMA_VERSION,
        "network": run.recipe.network,
        "data": run.recipe.data,
        "method": run.recipe.method,
        "test_error_percent": {"learned": error_percent},
        "layers": [_describe(run.supernet, name) for name in run.supernet.layers],
    }
    export_supernet(run.supernet, run.trained_on.images[:2].contiguous(), path, plan=described)
    return described


def export_for_timing(supernet: Supernet, plan: BitPlan, shape: tuple[int, ...], path: Path) -> None:
    """Writes the network at the bits of ``plan``, for images of ``shape``, to ``path``: its time is right.

    Its batch statistics are not those of the plan, so its accuracy is not. Raises DataError as ``export_plan`` does.
    """
    supernet.choose(plan)
    export_supernet(supernet, torch.zeros(2, *shape), path)


def _read_recipe(folder: Path) -> OneShotRecipe:
    if not (folder / "recipe.toml").is_file():
        raise QCompileError(f"{folder}: holds no run (recipe.toml is missing)")
    recipe = load_recipe(str(folder / "recipe.toml"))
    if not isinstance(recipe, OneShotRecipe):
        raise QCompileError(f"{folder}: was not learned with a one-shot recipe: its bits are fixed")
    if not (folder / SUPERNET).is_file():
        raise QCompileError(f"{folder}: is not finished ({SUPERNET} is missing); qcompile learn --resume goes on")
    return recipe


def _describe(supernet: Supernet, name: str) -> dict[str, Any]:
    """As ``describe_layers`` does for codebooks."""
    layer = supernet.layers[name]
    step = layer.weight_step(layer.bits.weight)
    return {
        "name": name,
        "parameter": f"{name}.weight",
        "weight_shape": list(layer.weight.shape),
        "weight_count": layer.weight.numel(),
        "method": "one-shot",
        "codebook": "uniform",
        "entries": 2**layer.bits.weight,
        "bits": layer.bits.weight,
        "groups": max(1, step.numel()),
        "corrections": 0,
        "activation_bits": layer.bits.activation,
        "candidates": as_table(layer.candidates),
    }
