"""One step of a supernet: the largest sub-network learns from the labels, random ones also from its answers.

Source: Tang et al., arXiv 2401.01543, as its published code trains.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from qcompile.bit_plan import BitPlan
from qcompile.frontend.distillation import Criterion, distilled_loss, label_loss
from qcompile.frontend.distributed import ALONE, Team
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.distortion import Mitigation, captured_outputs, distortion
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.mixed.supernet_optimizer import SupernetOptimization
from qcompile.frontend.ranges import check_range

Features = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Passes:
    """The passes of a step: one at the largest bits and ``random`` others. Raises RecipeError if out of range.

    ``distillation`` is the share of a random pass's loss that asks for the largest one's answers, at temperature 1;
    the rest asks for the labels. The gradient of a step is the sum over all passes of weight times gradient,
    the weights being ``largest_weight`` and, for each random pass, ``random_weight``: with more passes it is longer.
    """

    random: int = 3
    distillation: float = 0.5
    largest_weight: float = 1.0
    random_weight: float = 1.0
    mitigation: Mitigation = field(default_factory=Mitigation)

    def __post_init__(self) -> None:
        check_range("random", self.random, 0, 100)
        check_range("distillation", self.distillation, 0.0, 1.0)
        check_range("largest_weight", self.largest_weight, 0.0, 1000.0)
        check_range("random_weight", self.random_weight, 0.0, 1000.0)


@dataclass(frozen=True)
class StepLosses:
    """The batch's mean loss of each pass, without its weight, and the distortion of each random one.

    A random pass's loss holds its weighted distortion too.
    """

    largest: float
    random: tuple[float, ...]
    distortions: tuple[float, ...]

    def plus(self, other: "StepLosses", share: float) -> "StepLosses":
        """These and ``share`` times ``other``, pass by pass."""
        return StepLosses(
            self.largest + share * other.largest,
            tuple(mine + share * theirs for mine, theirs in zip(self.random, other.random, strict=True)),
            tuple(mine + share * theirs for mine, theirs in zip(self.distortions, other.distortions, strict=True)),
        )


def no_losses(random_passes: int) -> StepLosses:
    """All zero: where a sum begins."""
    return StepLosses(0.0, (0.0,) * random_passes, (0.0,) * random_passes)


@dataclass(frozen=True, eq=False)
class StepPlan:
    """What one step trains: the ``plans`` of the random passes, by layer the outputs to compare, the loss."""

    plans: Sequence[BitPlan]
    compared: Sequence[Sequence[str]]
    passes: Passes
    criterion: Criterion = label_loss
    bfloat16: bool = False


def plan_step(
    supernet: Supernet,
    plans: Sequence[BitPlan],
    drawable: Mapping[str, Candidates],
    passes: Passes,
    criterion: Criterion = label_loss,
    bfloat16: bool = False,
) -> StepPlan:
    """A step with random passes at ``plans``, which were drawn from ``drawable``.

    ``criterion`` is the loss of the largest pass, e.g. a ``Distillation`` from a network outside.
    """
    compared = [passes.mitigation.compared(supernet, plan, drawable) for plan in plans]
    return StepPlan(plans, compared, passes, criterion, bfloat16)


def train_step(
    supernet: Supernet,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    step: StepPlan,
    settings: SupernetOptimization,
    team: Team = ALONE,
) -> StepLosses:
    """Trains ``supernet`` on a batch: gradients of all passes, summed, clipped, one step of ``optimizer``.

    ``images`` float32 [batch, ...] and ``labels`` int64 [batch] are the whole batch; the processes of ``team`` share
    it, and must give the same ``step``. Leaves the bits of the last pass chosen. Gives the losses over this process's
    part of the batch: their sum over the team is the batch's mean.
    """
    optimizer.zero_grad()
    losses = no_losses(len(step.plans))
    for some, wanted, share in team.parts(images, labels, settings.accumulate):
        losses = losses.plus(_run_passes(supernet, some, wanted, share, step), share)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    team.add_up([parameter.grad for parameter in parameters if parameter.grad is not None])
    if math.isfinite(settings.gradient_norm):
        nn.utils.clip_grad_norm_(parameters, settings.gradient_norm)
    optimizer.step()
    return losses


def _run_passes(
    supernet: Supernet, images: torch.Tensor, labels: torch.Tensor, share: float, step: StepPlan
) -> StepLosses:
    """Adds ``share`` of the gradient of all passes to the parameters'; one pass after the other is held in memory."""
    needed = {name for names in step.compared for name in names}
    logits, features = _forward(supernet, supernet.largest(), images, needed, step.bfloat16)
    largest = step.criterion(images, logits, labels)
    _backward(largest * (share * step.passes.largest_weight))
    answers, wanted = logits.detach(), {name: output.detach() for name, output in features.items()}
    pairs = [
        _run_random_pass(supernet, images, labels, share, step, place, answers, wanted)
        for place in range(len(step.plans))
    ]
    return StepLosses(largest.item(), tuple(loss for loss, _ in pairs), tuple(far for _, far in pairs))


def _run_random_pass(
    supernet: Supernet,
    images: torch.Tensor,
    labels: torch.Tensor,
    share: float,
    step: StepPlan,
    place: int,
    answers: torch.Tensor,
    wanted: Features,
) -> tuple[float, float]:
    """The loss and the distortion of the random pass at ``place``, whose gradient is added to the parameters'."""
    logits, features = _forward(supernet, step.plans[place], images, step.compared[place], step.bfloat16)
    far = distortion(features, wanted)
    loss = distilled_loss(logits, answers, labels, step.passes.distillation, 1.0) + step.passes.mitigation.weight * far
    _backward(loss * (share * step.passes.random_weight))
    return loss.item(), far.item()


def _forward(
    supernet: Supernet, plan: BitPlan, images: torch.Tensor, names: Sequence[str] | set[str], bfloat16: bool
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The float32 logits under ``plan``, and the outputs of the layers ``names``."""
    supernet.choose(plan)
    with captured_outputs(supernet.outputs, names) as features, torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = supernet(images)
    return logits.float(), features


def _backward(loss: torch.Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
