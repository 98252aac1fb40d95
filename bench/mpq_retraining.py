"""A chosen plan trained alone for a few epochs: if it gains little, one training was enough for all."""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from mpq_kept import kept, timed
from mpq_markdown import duration, percent, points
from mpq_pairs import Difference, image_difference
from mpq_plans import chosen_plan
from mpq_run import Opened, accuracies, main_run, open_supernet, plan_as_json

from qcompile.bit_plan import BitPlan
from qcompile.frontend.mixed import (
    Candidates,
    Span,
    Supernet,
    SupernetSettings,
    SupernetTraining,
    averaged,
    build_supernet,
    train_supernet_epoch,
)
from qcompile.frontend.run.data import memory_format
from qcompile.frontend.run.one_shot import use_plan
from qcompile.frontend.run.session import arrange
from qcompile.models import build_network

TARGET = "bitops-3"
RATE = 0.1  # of the supernet's
LITTLE = 0.3  # points


def measure(arguments: argparse.Namespace, save: Callable[[Any], None]) -> None:
    """Accuracy of the plan of TARGET before and after."""
    opened = open_supernet(main_run(arguments), arguments.data_dir)
    plan, epochs = chosen_plan(opened, TARGET), arguments.epochs
    settings = {"supernet": opened.identity, "plan": plan_as_json(plan), "epochs": epochs}
    path = opened.folder / f"retraining-{epochs}.json"
    found = kept(path, settings, lambda: timed(lambda: retrain(opened, plan, epochs)))
    save({"target": TARGET, "epochs": epochs, "rate": RATE, "test_images": len(opened.run.test.labels), **found})


def retrain(opened: Opened, plan: BitPlan, epochs: int) -> dict[str, Any]:
    """Accuracies of ``plan`` before and after ``epochs`` of training that know no other plan."""
    run, images = opened.run, len(opened.run.test.labels)
    supernet = alone(opened, plan)
    use_plan(supernet, plan, run.trained_on, run.recipe)
    before = accuracies(run, supernet)
    training = SupernetTraining(supernet, settings_alone(opened))
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(1000 * run.recipe.seed + epoch)
        losses = train_supernet_epoch(training, run.trained_on, Span(epoch / epochs, (epoch + 1) / epochs), generator)
        print(f"retraining: epoch {epoch + 1} of {epochs}, loss {losses.largest:.5f}", flush=True)
    with averaged(supernet, training.average):
        use_plan(supernet, plan, run.trained_on, run.recipe)
        after = accuracies(run, supernet)
    gain = image_difference(after.pop("wrong"), before.pop("wrong"), images)
    return {"before": before, "after": after, "gain": dataclasses.asdict(gain)}


def alone(opened: Opened, plan: BitPlan) -> Supernet:
    """The trained supernet with the bits of ``plan`` as the only candidates: it computes what the whole one does."""
    recipe, images = opened.run.recipe, opened.run.trained_on.images[:2]
    network = build_network(recipe.network)
    candidates = {name: Candidates((bits.weight,), (bits.activation,)) for name, bits in plan.items()}
    supernet = build_supernet(network, candidates, images, images, steps_per=recipe.steps_per)
    known = opened.run.supernet.state_dict()
    supernet.load_state_dict({name: known[name] for name in supernet.state_dict()})
    arrange(supernet, memory_format(recipe))
    return supernet


def settings_alone(opened: Opened) -> SupernetSettings:
    """Those of the supernet at RATE of its learning rates, with no random pass, and nothing that freezes."""
    settings = opened.run.recipe.learning.settings()
    optimization = dataclasses.replace(
        settings.optimization,
        learning_rate=RATE * settings.optimization.learning_rate,
        step_learning_rate=RATE * settings.optimization.step_learning_rate,
    )
    passes = dataclasses.replace(settings.passes, random=0)
    return SupernetSettings(optimization, passes, average_horizon=settings.average_horizon)


def as_markdown(found: dict[str, Any]) -> str:
    """Before, after, and whether the difference counts."""
    gain, before, after = Difference(**found["gain"]), found["before"], found["after"]
    verdict = "below" if gain.mean < LITTLE else "not below"
    return "\n".join(
        [
            "## What training the chosen plan alone adds",
            "",
            f"The plan searched at the bit operations of 3 bits (`{found['target']}`), {found['epochs']} epochs with",
            f"no other plan, settings of the supernet at {found['rate']:g} of its learning rates, from labels alone;",
            f"{duration(found['seconds'])}.",
            "",
            f"Test accuracy {percent(before['test_accuracy'])} before, {percent(after['test_accuracy'])} after:",
            f"{points(gain)} points, {gain.verdict()}; {verdict} the {LITTLE} point up to which one training may be",
            f"called enough. Held-out accuracy {percent(before['held_out_accuracy'])} before,",
            f"{percent(after['held_out_accuracy'])} after.",
            "",
        ]
    )
