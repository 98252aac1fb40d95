"""What the LC algorithm has reached: enough to go on from there, as tensors and plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from qcompile.frontend.codebook_weight import CodebookWeight

_PARTS = ("codebook", "indices", "multiplier")


@dataclass(frozen=True)
class IterationRecord:
    """One iteration: its penalty, ||w - decode|| / ||w|| after it, and the mean training loss if it was returned."""

    iteration: int
    penalty: float
    distance: float
    loss: float | None


@dataclass(frozen=True, eq=False)
class LearningState:
    """``iteration`` is the next one; ``weights`` and ``multipliers`` go by parameter name."""

    iteration: int
    weights: dict[str, CodebookWeight]
    multipliers: dict[str, torch.Tensor]
    history: tuple[IterationRecord, ...]

    @property
    def distance(self) -> float:
        """||w - decode|| / ||w|| after the last iteration; infinite before the first."""
        return self.history[-1].distance if self.history else float("inf")

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """The tensors to save beside ``iteration`` and ``history``."""
        tensors = {}
        for name, weight in self.weights.items():
            parts = (weight.codebook, weight.indices, self.multipliers[name])
            tensors.update({f"{name}:{part}": tensor for part, tensor in zip(_PARTS, parts, strict=True)})
        return tensors

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, torch.Tensor], iteration: int, history: tuple[IterationRecord, ...]
    ) -> "LearningState":
        """The inverse of ``to_tensors``; other tensors may be present."""
        names = [key.removesuffix(":codebook") for key in tensors if key.endswith(":codebook")]
        weights = {name: CodebookWeight(tensors[f"{name}:codebook"], tensors[f"{name}:indices"]) for name in names}
        multipliers = {name: tensors[f"{name}:multiplier"] for name in names}
        return cls(iteration, weights, multipliers, history)
