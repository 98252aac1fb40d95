"""Losses of a training step: the labels alone, or also what the float network answers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

Criterion = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def label_loss(images: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of float32 ``logits`` [batch, classes]; ``images`` are not looked at."""
    return F.cross_entropy(logits, labels)


@dataclass(frozen=True, eq=False)
class Distillation:
    """A criterion: ``share`` of the loss asks for the answers of ``teacher``, the rest for the labels.

    Answers are compared as T^2 * KL(softmax(teacher / T), softmax(logits / T)), T being ``temperature``, so that the
    gradient keeps its size whatever T is. ``teacher`` gives logits, in ``bfloat16`` where wanted, and is not changed.
    Source: Hinton, Vinyals and Dean, arXiv 1503.02531, section 2.
    """

    teacher: nn.Module
    share: float
    temperature: float
    bfloat16: bool = False

    def __call__(self, images: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of ``logits``, which the network in training gave for ``images``."""
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            answers = self.teacher(images).float()
        return distilled_loss(logits, answers, labels, self.share, self.temperature)


def distilled_loss(
    logits: torch.Tensor, answers: torch.Tensor, labels: torch.Tensor, share: float, temperature: float
) -> torch.Tensor:
    """``share`` of the divergence of ``logits`` from a teacher's ``answers`` plus the rest of the labels' loss.

    Both are float32 [batch, classes]; the loss is the batch's mean. The formula is that of ``Distillation``.
    """
    wanted = F.log_softmax(answers / temperature, dim=1)
    found = F.log_softmax(logits / temperature, dim=1)
    divergence = F.kl_div(found, wanted, reduction="batchmean", log_target=True) * temperature**2
    return share * divergence + (1 - share) * F.cross_entropy(logits, labels)
