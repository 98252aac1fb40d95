"""The gradient of the L step's penalty, added while somebody else's training loop runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook


@contextmanager
def penalized_steps(pulls: Sequence[tuple[torch.nn.Parameter, torch.Tensor]], penalty: float) -> Iterator[set[int]]:
    """Inside, every optimizer step minimizes the loss plus penalty/2 ||w - target||^2 for each (w, target).

    Yields the ids of the parameters that a step has moved so far. The gradient is added once a step, just before it:
    after any clipping, unscaling or accumulation of gradients in the loop. An optimizer whose step calls a closure
    (LBFGS) computes its gradients later and is not penalized.
    """
    targets = {id(weight): target for weight, target in pulls}
    stepped: set[int] = set()

    def add_penalty(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"] if id(weight) in targets]
        with torch.no_grad():
            for weight in weights:
                gradient = penalty * (weight - targets[id(weight)])
                weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        stepped.update(map(id, weights))

    hook = register_optimizer_step_pre_hook(add_penalty)
    try:
        yield stepped
    finally:
        hook.remove()
