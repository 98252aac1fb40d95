"""An epoch of a supernet, and the state that goes from one to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from qcompile.errors import DataError
from qcompile.frontend.distillation import Criterion, label_loss
from qcompile.frontend.distributed import ALONE, Team
from qcompile.frontend.drawn_images import Batch
from qcompile.frontend.mixed.bit_scheduler import BitScheduler, NoFreezing
from qcompile.frontend.mixed.decision import Decision, read_decision, write_decision
from qcompile.frontend.mixed.moving_average import MovingAverage
from qcompile.frontend.mixed.sampling import draw_generator, draw_plan
from qcompile.frontend.mixed.step_losses import EpochLosses, StepLosses, mean_losses, no_losses
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.mixed.supernet_optimizer import (
    SupernetOptimization,
    make_supernet_optimizer,
    restore_momentum,
    save_momentum,
    set_learning_rate,
)
from qcompile.frontend.mixed.training_step import Passes, plan_step, train_step
from qcompile.frontend.ranges import check_range
from qcompile.frontend.training import Samples, check_loss, draw_batches, sample_count

_NETWORK, _MOMENTUM, _AVERAGE, _DECISION = "supernet.", "momentum.", "average.", "decision."


@dataclass(frozen=True)
class SupernetSettings:
    """How a supernet is trained. ``average_horizon`` is how far back the moving average goes, as a part of the run."""

    optimization: SupernetOptimization = field(default_factory=SupernetOptimization)
    passes: Passes = field(default_factory=Passes)
    scheduler: BitScheduler = field(default_factory=NoFreezing)
    average_horizon: float = 0.04

    def __post_init__(self) -> None:
        check_range("average_horizon", self.average_horizon, 0.0, 1.0)


@dataclass(frozen=True)
class Span:
    """From where to where an epoch goes in the run: ``start`` below ``end``, 0 to 1."""

    start: float
    end: float


class SupernetTraining:
    """All that changes while ``supernet`` is trained: beside it the momentum, the average and the last decision.

    Nothing random is kept: what is drawn is a function of the generator that each epoch is given.
    """

    def __init__(self, supernet: Supernet, settings: SupernetSettings) -> None:
        self.supernet, self.settings = supernet, settings
        self.optimizer = make_supernet_optimizer(supernet, settings.optimization)
        self.average = MovingAverage(supernet)
        self.decision: Decision | None = None

    def save(self) -> dict[str, torch.Tensor]:
        """The state as tensors for a checkpoint, not copied; a run restored from it goes on to the last bit alike."""
        decision = {} if self.decision is None else write_decision(self.decision)
        return (
            _with_prefix(_NETWORK, self.supernet.state_dict())
            | _with_prefix(_MOMENTUM, save_momentum(self.optimizer, self.supernet))
            | _with_prefix(_AVERAGE, self.average.save())
            | _with_prefix(_DECISION, decision)
        )

    def restore(self, saved: Mapping[str, torch.Tensor]) -> None:
        """Takes up what ``save`` gave. Raises DataError for the state of another network or of other candidates."""
        try:
            self._take_up(saved)
        except (KeyError, RuntimeError) as error:
            raise DataError(
                f"the checkpoint does not fit this supernet ({error}); was it begun with another network, other layers "
                "or other candidates? Start anew"
            ) from error

    def _take_up(self, saved: Mapping[str, torch.Tensor]) -> None:
        self.supernet.load_state_dict(_without_prefix(_NETWORK, saved))
        restore_momentum(self.optimizer, self.supernet, _without_prefix(_MOMENTUM, saved))
        self.average.restore(_without_prefix(_AVERAGE, saved))
        decision = _without_prefix(_DECISION, saved)
        self.decision = read_decision(decision, self.supernet.candidates) if decision else None


def train_supernet_epoch(
    training: SupernetTraining,
    samples: Samples,
    span: Span,
    generator: torch.Generator,
    team: Team = ALONE,
    share: float = 1.0,
    criterion: Criterion = label_loss,
) -> EpochLosses:
    """Trains on each sample once, or on a ``share`` of them, in an order drawn from ``generator``; the mean losses.

    ``span`` says which part of the run this is: learning rate, decisions and average follow it, batch by batch. Order
    and augmentation are the same whatever bits are drawn. ``criterion`` is the loss of the largest pass. The
    processes of ``team`` share every batch; their generators and networks must be alike, and the network is not
    wrapped. Raises QCompileError if the loss is no longer finite.
    """
    optimization, total = training.settings.optimization, no_losses(training.settings.passes.random)
    drawing = draw_generator(generator)
    batches = -(-sample_count(samples, share) // optimization.batch_size)
    training.supernet.train()
    for place, (images, labels) in enumerate(
        draw_batches(samples, optimization.batch_size, optimization.augmentation, generator, share)
    ):
        now = _part(span, place, batches)
        losses = _train_batch(training, images, labels, now, drawing, team, criterion)
        total = total.plus(losses, len(labels) / sample_count(samples, share))
    _agree(training, team)
    means = mean_losses(team.gather(total), training.settings.passes.random)
    check_loss(means.largest + means.random)
    return means


def _train_batch(
    training: SupernetTraining,
    images: Batch,
    labels: torch.Tensor,
    now: Span,
    drawing: torch.Generator,
    team: Team,
    criterion: Criterion,
) -> StepLosses:
    """One step, for which the run goes from ``now.start`` to ``now.end``, and what comes before and behind it."""
    supernet, settings = training.supernet, training.settings
    decision = _decide(training, now, drawing, team)
    set_learning_rate(training.optimizer, settings.optimization, (now.start + now.end) / 2)
    passes = settings.passes
    plans = [draw_plan(decision.drawable, drawing, decision.odds, passes.draw) for _ in range(passes.random)]
    step = plan_step(supernet, plans, decision.drawable, passes, criterion)
    losses = train_step(supernet, training.optimizer, images, labels, step, settings.optimization, team)
    training.average.update(supernet, settings.average_horizon / (now.end - now.start))
    return losses


def _decide(training: SupernetTraining, now: Span, drawing: torch.Generator, team: Team) -> Decision:
    """The decision that holds, after a new one where one is due: the first process takes it, the others follow."""
    scheduler, supernet, last = training.settings.scheduler, training.supernet, training.decision
    own = draw_generator(drawing)  # whether it is used or not: so that runs with other schedulers draw alike
    if last is None or scheduler.decisions(now.end) > scheduler.decisions(now.start):
        decided = team.on_first(lambda: scheduler.decide(supernet, now.end, own, last))
        training.decision = decided
        return decided
    return last


def _part(span: Span, place: int, count: int) -> Span:
    length = span.end - span.start
    return Span(span.start + length * (place / count), span.start + length * ((place + 1) / count))


def _agree(training: SupernetTraining, team: Team) -> None:
    """All processes hold the first one's state: batch statistics differ, each having seen its own images."""
    team.unify({name: parameter.detach() for name, parameter in training.supernet.named_parameters()})
    team.adopt(dict(training.supernet.named_buffers()))
    team.adopt(training.average.tensors)


def _with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
