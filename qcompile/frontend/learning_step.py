"""One L step: what the user's training loop is told, and what is seen of it from outside."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from qcompile.errors import QCompileError
from qcompile.frontend.penalty import optimized_weights


@dataclass(frozen=True)
class LearningStep:
    """What the user's training function is told about the L step that it is to run; a baseline has no penalty (0).

    The L step minimizes the loss plus penalty/2 ||w - target||^2 over the weights w in ``targets``, by parameter name.
    Optimizers need not be told; who solves the L step otherwise, in closed form say, finds the targets here.
    """

    iteration: int
    penalty: float
    targets: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def clip(self, learning_rate: float) -> float:
        """The learning rate, at most 1/penalty: above it the penalty's own gradient step diverges (1707.01209, 5.1)."""
        return min(learning_rate, 1.0 / self.penalty) if self.penalty > 0 else learning_rate


Train = Callable[[LearningStep], float | None]


@dataclass(frozen=True)
class Training:
    """What came out of an L step: its loss if ``train`` gave one, the last learning rate of its optimizer, its time."""

    loss: float | None
    learning_rate: float | None
    seconds: float


def run_training(step: LearningStep, parameters: Mapping[str, torch.nn.Parameter], train: Train) -> Training:
    """Runs ``train``, which must step optimizers that together hold all ``parameters``, or write to them itself.

    Raises QCompileError if one of them stayed as it was, or if the loss that it returns is not finite.
    """
    start = time.perf_counter()
    versions = {name: parameter._version for name, parameter in parameters.items()}  # torch counts what is written
    with _watched_steps(parameters) as seen:
        loss = train(step)
    untouched = [name for name, parameter in parameters.items() if parameter._version == versions[name]]
    if missing := [name for name in untouched if id(parameters[name]) not in seen.stepped]:
        raise QCompileError(f"train() stepped no optimizer that holds {', '.join(missing)}: these cannot be learned")
    if loss is not None and not math.isfinite(loss):
        raise QCompileError(f"the loss of iteration {step.iteration} is {loss}: lower the learning rate")
    return Training(loss, seen.learning_rate, time.perf_counter() - start)


@dataclass
class _Seen:
    stepped: set[int] = field(default_factory=set)
    learning_rate: float | None = None


@contextmanager
def _watched_steps(parameters: Mapping[str, torch.nn.Parameter]) -> Iterator[_Seen]:
    """Yields what optimizer steps have done so far. Only the learning rate of the parameters' own groups counts."""
    wanted, seen = {id(parameter) for parameter in parameters.values()}, _Seen()

    def watch(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        seen.stepped.update(map(id, optimized_weights(optimizer, wanted)))
        for group in optimizer.param_groups:
            if any(id(parameter) in wanted for parameter in group["params"]):
                seen.learning_rate = float(group["lr"]) if "lr" in group else None
                return

    hook = register_optimizer_step_post_hook(watch)
    try:
        yield seen
    finally:
        hook.remove()
