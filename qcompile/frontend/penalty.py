"""The gradient of the L step's penalty, added while somebody else's training loop runs."""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook


@contextmanager
def penalized_steps(pulls: Sequence[tuple[torch.nn.Parameter, torch.Tensor]], penalty: float) -> Iterator[None]:
    """Inside, every optimizer step minimizes the loss plus penalty/2 ||w - target||^2 for each (w, target).

    The gradient is added once a step, just before it: after any clipping, unscaling or accumulation of gradients in
    the loop. An optimizer whose step calls a closure (LBFGS) computes its gradients later and is not penalized.
    """
    # Laid out like the weights, or torch adds element by element; times mu once here and not at every step.
    scaled = {id(weight): torch.empty_like(weight.detach()).copy_(target).mul_(penalty) for weight, target in pulls}

    def add_penalty(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        weights = optimized_weights(optimizer, scaled.keys())
        if not weights:
            return
        with torch.no_grad():
            gradients = [_gradient(weight) for weight in weights]
            torch._foreach_add_(gradients, weights, alpha=penalty)
            torch._foreach_sub_(gradients, [scaled[id(weight)] for weight in weights])

    hook = register_optimizer_step_pre_hook(add_penalty)
    try:
        yield
    finally:
        hook.remove()


def optimized_weights(optimizer: torch.optim.Optimizer, wanted: Container[int]) -> list[torch.Tensor]:
    """The parameters of ``optimizer`` whose ids are in ``wanted``."""
    return [weight for group in optimizer.param_groups for weight in group["params"] if id(weight) in wanted]


def _gradient(weight: torch.Tensor) -> torch.Tensor:
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad
