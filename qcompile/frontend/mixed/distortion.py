"""Information distortion mitigation: layers at few bits are asked for the outputs they give at many.

Source: Tang et al., arXiv 2401.01543, as its published code computes it.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.bit_plan import BitPlan
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.ranges import check_range


@dataclass(frozen=True)
class Mitigation:
    """``weight`` is that of the distortion in a random pass's loss; with 0 nothing is computed.

    ``layers`` are those at the smallest weight width that may now be drawn for them, or all that have a choice.
    """

    weight: float = 0.0
    layers: Literal["smallest", "all"] = "smallest"

    def __post_init__(self) -> None:
        check_range("weight", self.weight, 0.0, 1e6)

    def compared(self, supernet: Supernet, plan: BitPlan, drawable: Mapping[str, Candidates]) -> list[str]:
        """The layers whose outputs under ``plan`` are compared with those of the largest sub-network."""
        if self.weight == 0:
            return []
        return [
            name
            for name, candidates in supernet.candidates.items()
            if len(candidates.weight) > 1 and (self.layers == "all" or plan[name].weight == drawable[name].weight[0])
        ]


@contextmanager
def captured_outputs(outputs: Mapping[str, nn.Module], names: Collection[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Inside, each forward pass puts what the modules ``names`` of ``outputs`` give into the dictionary yielded.

    These are copies, which gradients go through: an activation that works in place may follow.
    """
    found: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            found[name] = output.clone()

        return hook

    hooks = [outputs[name].register_forward_hook(keep(name)) for name in names]
    try:
        yield found
    finally:
        for each in hooks:
            each.remove()


def distortion(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The sum over the layers in ``found`` of the mean squared error to the same layer's output in ``wanted``.

    The gradient goes to ``found`` alone. 0 where ``found`` is empty.
    """
    errors = [F.mse_loss(output.float(), wanted[name].detach().float()) for name, output in found.items()]
    return torch.stack(errors).sum() if errors else torch.zeros(())
