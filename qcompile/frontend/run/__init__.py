"""A run of ``qcompile learn``: reference, learning, export. Each stage resumes where it stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from qcompile.frontend.distributed import Team, current_team
from qcompile.frontend.one_shot_recipe import OneShotRecipe
from qcompile.frontend.progress import ProgressReport
from qcompile.frontend.recipe_file import AnyRecipe
from qcompile.frontend.run.data import RunData, load_samples
from qcompile.frontend.run.methods import learn_weights
from qcompile.frontend.run.one_shot import OneShotSession, learn_supernet
from qcompile.frontend.run.reference import find_reference, measure_direct_compression
from qcompile.frontend.run.results import finish
from qcompile.frontend.run.session import CodebookSession
from qcompile.frontend.run_folder import RunFolder


def learn(
    recipe: AnyRecipe,
    data_dir: Path,
    folder: Path,
    *,
    resume: bool = False,
    reference: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Runs ``recipe`` in ``folder`` and gives the plan that it also writes there.

    Leaves reference.safetensors, learned.safetensors, reference.onnx, exported.onnx, plan.json, metrics.jsonl and
    the last checkpoints; with a one-shot recipe supernet.safetensors in the place of what was learned and exported.
    ``reference``, a safetensors file of the network's parameters, takes the place of training one. ``resume``
    continues a run of the same recipe and data: with the same machine, versions and threads the result is bit for bit
    that of a run without a break. ``stop`` is asked after each saved step.

    In a process group of torch every process calls this, with the same recipe and data. Each trains on its share of
    every batch; the first one does all else, and is the only one that writes and prints.

    Raises RunInterruptedError when ``stop`` says so; RecipeError, DataError or QCompileError for what a user can mend.
    """
    torch.set_num_threads(recipe.threads)
    team, run_folder = current_team(), RunFolder(folder)
    with ProgressReport(quiet=not team.is_first) as progress:
        data = team.together(lambda: load_samples(recipe, data_dir))
        session = _begin(recipe, run_folder, progress, stop, team, data)
        # Now that data and recipe fit: a mistake leaves no folder behind.
        team.on_first(lambda: run_folder.open(recipe, resume=resume))
        session.restore()
        find_reference(session, reference)
        if isinstance(session, OneShotSession):
            return learn_supernet(session)
        measure_direct_compression(session)
        return finish(session, learn_weights(session))


def _begin(
    recipe: AnyRecipe,
    folder: RunFolder,
    progress: ProgressReport,
    stop: Callable[[], bool],
    team: Team,
    data: RunData,
) -> CodebookSession | OneShotSession:
    if isinstance(recipe, OneShotRecipe):
        return OneShotSession(recipe, folder, progress, stop, team, data)
    return CodebookSession(recipe, folder, progress, stop, team, data)
