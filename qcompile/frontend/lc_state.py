"""What the LC algorithm has reached: enough to go on from there, as tensors and plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from qcompile.frontend.codebook_weight import CodebookWeight, read_codebook_weights


@dataclass(frozen=True)
class IterationRecord:
    """One iteration: its penalty, ||w - decode|| / ||w|| after it, and the mean training loss if it was returned."""

    iteration: int
    penalty: float
    distance: float
    loss: float | None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "IterationRecord":
        """The record in what ``dataclasses.asdict`` gave; other keys may be present."""
        return cls(**{each.name: record[each.name] for each in fields(cls) if each.name in record})


@dataclass(frozen=True, eq=False)
class LearningState:
    """``iteration`` is the next one; ``weights`` and ``multipliers`` (none in a baseline) go by parameter name."""

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
        tensors = {f"{name}:multiplier": multiplier for name, multiplier in self.multipliers.items()}
        for name, weight in self.weights.items():
            tensors |= weight.to_tensors(name)
        return tensors

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, torch.Tensor], iteration: int, history: tuple[IterationRecord, ...]
    ) -> "LearningState":
        """The inverse of ``to_tensors``; other tensors may be present."""
        weights = read_codebook_weights(tensors)
        multipliers = {name: tensors[f"{name}:multiplier"] for name in weights if f"{name}:multiplier" in tensors}
        return cls(iteration, weights, multipliers, history)
