"""One step of a supernet: the largest sub-network learns from the labels, random ones also from its answers.

Source: Tang et al., arXiv 2401.01543, as its published code trains.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import torch
from torch import nn

from qcompile.bit_plan import BitPlan
from qcompile.errors import RecipeError
from qcompile.frontend.distillation import Criterion, distilled_loss, label_loss
from qcompile.frontend.distributed import ALONE, Team
from qcompile.frontend.drawn_images import Batch
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.distortion import Mitigation, captured_outputs, distortion
from qcompile.frontend.mixed.sampling import Draw
from qcompile.frontend.mixed.step_losses import StepLosses, no_losses
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.mixed.supernet_optimizer import SupernetOptimization, limit_step_gradients
from qcompile.frontend.ranges import check_range


@dataclass(frozen=True)
class Passes:
    """The passes of a step: one at the largest bits and ``random`` others. Raises RecipeError if out of range.

    ``distillation`` is the share of a random pass's loss that asks for the largest one's answers, at temperature 1;
    the rest asks for the labels. The gradient of a step is the sum over all passes of weight times gradient,
    the weights being ``largest_weight`` and, for each random pass, ``random_weight``: with more passes it is longer.
    ``draw`` says how the bits of a random pass are drawn, as of ``draw_plan``.
    """

    random: int = 3
    draw: Draw = "even"
    distillation: float = 0.5
    largest_weight: float = 1.0
    random_weight: float = 1.0
    mitigation: Mitigation = field(default_factory=Mitigation)

    def __post_init__(self) -> None:
        check_range("random", self.random, 0, 100)
        if self.draw not in get_args(Draw):
            raise RecipeError(f"draw is {self.draw!r}, wanted one of {', '.join(get_args(Draw))}")
        check_range("distillation", self.distillation, 0.0, 1.0)
        check_range("largest_weight", self.largest_weight, 0.0, 1000.0)
        check_range("random_weight", self.random_weight, 0.0, 1000.0)


@dataclass(frozen=True, eq=False)
class StepPlan:
    """What one step trains: the ``plans`` of the random passes, and for each the layers whose outputs are compared.

    ``criterion`` is the loss of the largest pass.
    """

    plans: Sequence[BitPlan]
    compared: Sequence[Sequence[str]]
    passes: Passes
    criterion: Criterion


def plan_step(
    supernet: Supernet,
    plans: Sequence[BitPlan],
    drawable: Mapping[str, Candidates],
    passes: Passes,
    criterion: Criterion = label_loss,
) -> StepPlan:
    """A step with random passes at ``plans``, which were drawn from ``drawable``.

    ``criterion`` may be a ``Distillation``: then the largest pass learns from a network outside too.
    """
    compared = [passes.mitigation.compared(supernet, plan, drawable) for plan in plans]
    return StepPlan(plans, compared, passes, criterion)


def train_step(
    supernet: Supernet,
    optimizer: torch.optim.Optimizer,
    images: Batch,
    labels: torch.Tensor,
    step: StepPlan,
    settings: SupernetOptimization,
    team: Team = ALONE,
) -> StepLosses:
    """Trains ``supernet`` on a batch: gradients of all passes, summed, limited, one step of ``optimizer``.

    ``images`` float32 [batch, ...] and ``labels`` int64 [batch] are the whole batch; the processes of ``team`` share
    it, and must give the same ``step``. Leaves the bits of the last pass chosen. Gives the losses over this process's
    part of the batch: their sum over the team is the batch's mean.
    """
    optimizer.zero_grad()
    losses = no_losses(len(step.plans))
    for some, wanted, share in team.parts(images, labels, settings.accumulate):
        losses = losses.plus(_Part(supernet, step, some, wanted, share, settings.bfloat16).run(), share)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    team.add_up([parameter.grad for parameter in parameters if parameter.grad is not None])
    limit_step_gradients(optimizer)
    if math.isfinite(settings.gradient_norm):
        nn.utils.clip_grad_norm_(parameters, settings.gradient_norm)
    optimizer.step()
    return losses


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of a batch: its ``share`` of each gradient is added to the parameters', one pass after the other."""

    supernet: Supernet
    step: StepPlan
    images: torch.Tensor
    labels: torch.Tensor
    share: float
    bfloat16: bool

    def run(self) -> StepLosses:
        """The losses of all passes. Of the largest one only its answers and compared outputs stay in memory."""
        names = {name for compared in self.step.compared for name in compared}
        logits, outputs = self._forward(self.supernet.largest(), names)
        largest = self.step.criterion(self.images, logits, self.labels)
        self._backward(largest, self.step.passes.largest_weight)
        answers, wanted = logits.detach(), {name: output.detach() for name, output in outputs.items()}
        pairs = list(zip(self.step.plans, self.step.compared, strict=True))
        found = [self._run_random(plan, compared, answers, wanted) for plan, compared in pairs]
        return StepLosses(largest.item(), tuple(loss for loss, _ in found), tuple(far for _, far in found))

    def _run_random(
        self, plan: BitPlan, compared: Sequence[str], answers: torch.Tensor, wanted: Mapping[str, torch.Tensor]
    ) -> tuple[float, float]:
        """The loss and the distortion under ``plan``."""
        logits, outputs = self._forward(plan, compared)
        far, passes = distortion(outputs, wanted), self.step.passes
        loss = distilled_loss(logits, answers, self.labels, passes.distillation, 1.0) + passes.mitigation.weight * far
        self._backward(loss, passes.random_weight)
        return loss.item(), far.item()

    def _forward(self, plan: BitPlan, names: Collection[str]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The float32 logits under ``plan``, and the outputs of the layers ``names``."""
        self.supernet.choose(plan)
        with (
            captured_outputs(self.supernet.outputs, names) as outputs,
            torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16),
        ):
            logits = self.supernet(self.images)
        return logits.float(), outputs

    def _backward(self, loss: torch.Tensor, weight: float) -> None:
        (loss * (self.share * weight)).backward()  # type: ignore[no-untyped-call]
