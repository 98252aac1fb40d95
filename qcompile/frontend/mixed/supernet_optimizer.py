"""The optimizer of a supernet: weights, all else of the network, and the steps, each in a group of its own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from qcompile.frontend.drawn_images import Augmentation
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.ranges import check_range

_PEAK, _CHANGE = "peak", "change"  # our own entries of a parameter group
_LOWEST_RATE = 1e-12


@dataclass(frozen=True)
class SupernetOptimization:
    """Stochastic gradient descent with Nesterov momentum. Raises RecipeError for a value out of range.

    ``learning_rate`` and, for the learned steps, ``step_learning_rate`` are the highest: both rise in a line over
    ``warm_up``, a part of the run, and fall to ``final_share`` of themselves at its end, as a cosine. Gradients whose
    norm over all parameters is above ``gradient_norm`` are scaled down to it. The rest is as in ``Optimization``.

    A step's gradient is cut to what would change the step by ``step_change`` of itself, before momentum adds up. A few
    clipped weights give an 8-bit step, far smaller than a 2-bit one, gradients that throw it below zero within a few
    updates, and the network is lost. At up to (1 - momentum)^2 / 4 a step that is always pushed down nears zero and
    does not cross it, as a critically damped spring.
    """

    learning_rate: float = 0.04
    step_learning_rate: float = 0.01
    warm_up: float = 1 / 30
    final_share: float = 0.0
    step_change: float = 0.002
    gradient_norm: float = math.inf
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 2.5e-5
    bfloat16: bool = False
    augmentation: Augmentation = "none"
    accumulate: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (
            ("learning_rate", 1e-9, 100.0),
            ("step_learning_rate", 0.0, 100.0),
            ("warm_up", 0.0, 1.0),
            ("final_share", 0.0, 1.0),
            ("step_change", 1e-9, math.inf),
            ("gradient_norm", 1e-9, math.inf),
            ("batch_size", 1, 1_000_000),
            ("momentum", 1e-9, 0.999999),
            ("weight_decay", 0.0, 1.0),
            ("accumulate", 1, 100_000),
        ):
            check_range(name, getattr(self, name), low, high)


def make_supernet_optimizer(supernet: Supernet, settings: SupernetOptimization) -> torch.optim.SGD:
    """A new optimizer of all parameters; weight decay acts on weights, not on biases, normalization and steps."""
    steps = supernet.steps()
    known = {id(step) for step in steps}
    others = [parameter for parameter in supernet.parameters() if id(parameter) not in known]
    rate, step_rate = settings.learning_rate, settings.step_learning_rate
    groups = [
        {"params": [each for each in others if each.dim() >= 2], _PEAK: rate, "weight_decay": settings.weight_decay},
        {"params": [each for each in others if each.dim() < 2], _PEAK: rate, "weight_decay": 0.0},
        {"params": steps, _PEAK: step_rate, "weight_decay": 0.0, _CHANGE: settings.step_change},
    ]
    return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, settings: SupernetOptimization, progress: float) -> None:
    """Gives each group of ``optimizer`` its learning rate at ``progress``, 0 to 1, of the run."""
    share = learning_rate_share(settings, progress)
    for group in optimizer.param_groups:
        group["lr"] = group[_PEAK] * share


def limit_step_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Cuts the gradients of steps, in place, to what ``step_change`` allows at the highest learning rate."""
    for group in optimizer.param_groups:
        share = group.get(_CHANGE, math.inf) / max(group[_PEAK], _LOWEST_RATE)
        stepped = [each for each in group["params"] if each.grad is not None] if math.isfinite(share) else []
        for step in stepped:
            bound = step.detach().abs() * share
            step.grad.clamp_(-bound, bound)


def learning_rate_share(settings: SupernetOptimization, progress: float) -> float:
    """Which part of the highest learning rate applies at ``progress``, 0 to 1, of the run."""
    if progress < settings.warm_up:
        return progress / settings.warm_up
    done = (progress - settings.warm_up) / max(1 - settings.warm_up, 1e-9)
    return settings.final_share + (1 - settings.final_share) * (1 + math.cos(math.pi * done)) / 2


def save_momentum(optimizer: torch.optim.Optimizer, supernet: Supernet) -> dict[str, torch.Tensor]:
    """The momentum by parameter name, for a checkpoint; parameters that were never stepped have none."""
    found = {name: optimizer.state[each].get("momentum_buffer") for name, each in supernet.named_parameters()}
    return {name: buffer for name, buffer in found.items() if buffer is not None}


def restore_momentum(optimizer: torch.optim.Optimizer, supernet: Supernet, saved: Mapping[str, torch.Tensor]) -> None:
    """Takes up what ``save_momentum`` gave."""
    for name, parameter in supernet.named_parameters():
        if name in saved:
            optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(saved[name]).detach()
