"""The middle and the end of a run with a one-shot recipe: a supernet is trained, measured and kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from qcompile.bit_plan import BitPlan
from qcompile.errors import RecipeError
from qcompile.frontend.drawn_images import inference_batch
from qcompile.frontend.export import export_onnx
from qcompile.frontend.mixed.candidates import select_candidates
from qcompile.frontend.mixed.moving_average import averaged
from qcompile.frontend.mixed.supernet import Supernet, build_supernet, recalibrate
from qcompile.frontend.mixed.supernet_training import Span, SupernetTraining, train_supernet_epoch
from qcompile.frontend.one_shot_recipe import OneShotRecipe
from qcompile.frontend.plan import SCHEMA_VERSION
from qcompile.frontend.run.data import calibration_batches
from qcompile.frontend.run.session import Session, arrange
from qcompile.frontend.tables import as_table
from qcompile.frontend.training import Samples, evaluate

SUPERNET = "supernet.safetensors"
_STAGE, _EPOCHS = "supernet", "supernet_epochs"
_STEP_IMAGES = 256  # from which the steps of activations start


@dataclass(eq=False)
class OneShotSession(Session):
    """A session that trains a supernet, on ``trained_on``; ``held_out`` is for who searches."""

    recipe: OneShotRecipe

    def __post_init__(self) -> None:
        super().__post_init__()
        select_candidates(self.network, self.recipe.layers)  # now: before anything is trained or written
        self.trained_on, self.held_out = split(self.data.train, self.recipe)


def learn_supernet(session: OneShotSession) -> dict[str, Any]:
    """Trains a supernet on the reference, writes it and its accuracy at uniform bits; the plan that says so."""
    recipe = session.recipe
    supernet = make_supernet(session.network, recipe, session.trained_on)
    training = SupernetTraining(supernet, recipe.learning.settings())
    done = session.state.get(_EPOCHS, 0)
    if done:
        training.restore(session.saved(f"{_STAGE}."))
    for epoch in range(done, recipe.learning.epochs):
        _train_epoch(session, training, epoch, recipe.learning.epochs)
    return session.team.on_first(lambda: _finish(session, training))


def split(samples: Samples, recipe: OneShotRecipe) -> tuple[Samples, Samples]:
    """The images that are trained on, and those that are held out. Raises RecipeError if nothing would be left."""
    count = len(samples.labels) - recipe.held_out_images
    if count < 1:
        raise RecipeError(f"held_out_images is {recipe.held_out_images} of {len(samples.labels)} training images")
    return samples.part(slice(count)), samples.part(slice(count, None))


def make_supernet(network: torch.nn.Module, recipe: OneShotRecipe, samples: Samples) -> Supernet:
    """A new supernet of ``network``, its steps as the weights and the first of ``samples`` have them."""
    images = samples.images[: inference_batch(samples.images, _STEP_IMAGES)]
    candidates = select_candidates(network, recipe.layers)
    return build_supernet(network, candidates, images[:2], images, steps_per=recipe.steps_per)


def use_plan(supernet: Supernet, plan: BitPlan, samples: Samples, recipe: OneShotRecipe) -> None:
    """From now on ``supernet`` computes with ``plan``, and with batch statistics of its own."""
    supernet.choose(plan)
    augmentation = recipe.learning.optimization.augmentation
    recalibrate(supernet, calibration_batches(samples, recipe.calibration_images, augmentation))


def _train_epoch(session: OneShotSession, training: SupernetTraining, epoch: int, epochs: int) -> None:
    span, share = Span(epoch / epochs, (epoch + 1) / epochs), session.recipe.learning.share
    generator = session.randomness(f"{_STAGE} {epoch}")
    losses = train_supernet_epoch(training, session.trained_on, span, generator, session.team, share)
    session.record(_STAGE, epoch=epoch, **asdict(losses))
    session.state[_EPOCHS] = epoch + 1
    session.progress.show(_STAGE, epoch + 1, epochs, f"loss {losses.largest:.5f}, of random plans {losses.random:.5f}")
    session.save({f"{_STAGE}.{name}": tensor for name, tensor in training.save().items()})


def _finish(session: OneShotSession, training: SupernetTraining) -> dict[str, Any]:
    supernet = training.supernet
    with averaged(supernet, training.average):
        session.folder.write_tensors(SUPERNET, dict(supernet.state_dict()))
        uniform = _measure_uniform(session, supernet)
    arrange(session.network, torch.contiguous_format)
    session.load_network(session.read_reference())
    example = (torch.zeros(2, *session.network.input_shape),)
    with session.folder.writing("reference.onnx") as path:
        export_onnx(session.network, {}, example, path)
    plan = _plan(session, supernet, uniform)
    session.folder.write_plan(plan)
    return plan


def _measure_uniform(session: OneShotSession, supernet: Supernet) -> dict[str, dict[str, float]]:
    """Test error and held-out loss where every layer has as many bits, of each width that some layer may have."""
    widths = sorted({bits for each in supernet.candidates.values() for bits in (*each.weight, *each.activation)})
    found = {}
    for place, bits in enumerate(reversed(widths)):
        use_plan(supernet, supernet.uniform(bits), session.trained_on, session.recipe)
        loss, _ = evaluate(supernet, session.held_out)
        _, error = evaluate(supernet, session.data.test)
        found[f"{bits} bits"] = {"held_out_loss": loss, "test_error_percent": error}
        session.progress.show("measuring", place + 1, len(widths), f"{bits} bits: test error {error:.2f} %")
    return found


def _plan(session: OneShotSession, supernet: Supernet, uniform: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    recipe, reference = session.recipe, session.state["reference"]
    return {
        "schema_version": SCHEMA_VERSION,
        "network": recipe.network,
        "data": recipe.data,
        "method": recipe.method,
        "test_error_percent": {"reference": reference["test_error_percent"]}
        | {stage: each["test_error_percent"] for stage, each in uniform.items()},
        "train_loss": {"reference": reference["train_loss"]},
        "held_out_loss": {stage: each["held_out_loss"] for stage, each in uniform.items()},
        "candidates": {name: as_table(each) for name, each in supernet.candidates.items()},
        "recipe": as_table(recipe),
    }
