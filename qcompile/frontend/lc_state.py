"""What learning has reached: enough to go on from there, as tensors and plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from qcompile.frontend.codebook_weight import CodebookWeight, read_codebook_weights

_START_DISTANCE = ":start_distance"


@dataclass(frozen=True)
class LayerRecord:
    """One layer after an iteration.

    ``distance`` is ||w - decode|| / ||w||, ``changed`` the share of its indices that are not those of the iteration
    before, ``bits`` what an index takes. ``entries`` are the values of its codebook, rising; of several codebooks
    the mean of each entry, between ``lowest`` and ``highest``.
    """

    distance: float
    changed: float
    bits: int
    entries: tuple[float, ...]
    lowest: tuple[float, ...] | None = None
    highest: tuple[float, ...] | None = None


@dataclass(frozen=True)
class IterationRecord:
    """One iteration: its penalty, what came of it, and its layers by parameter name.

    ``distance`` and ``changed`` are as in LayerRecord, over all layers together; ``moved`` is how far the C step
    moved the decoded weights, over ||w||. ``loss`` is the mean training loss where ``train`` gave one,
    ``learning_rate`` that of its last optimizer step. The seconds of the L step and of the C step take no part in
    comparisons. ``advice`` is there where something looks wrong.
    """

    iteration: int
    penalty: float
    distance: float
    loss: float | None
    changed: float = 0.0
    moved: float = 0.0
    learning_rate: float | None = None
    training_seconds: float = field(default=0.0, compare=False)
    fitting_seconds: float = field(default=0.0, compare=False)
    layers: dict[str, LayerRecord] = field(default_factory=dict)
    advice: str | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "IterationRecord":
        """The record in what JSON made of ``dataclasses.asdict``; other keys may be present."""
        known = {each.name: record[each.name] for each in fields(cls) if each.name in record}
        layers = {name: _layer_from_json(layer) for name, layer in known.pop("layers", {}).items()}
        return cls(**known, layers=layers)


@dataclass(frozen=True, eq=False)
class LearningState:
    """``iteration`` is the next one; ``weights`` and ``multipliers`` (none in a baseline) go by parameter name.

    ``start_distance`` is ||w - decode|| / ||w|| of direct compression, before the first iteration.
    """

    iteration: int
    weights: dict[str, CodebookWeight]
    multipliers: dict[str, torch.Tensor]
    history: tuple[IterationRecord, ...]
    start_distance: float = 0.0

    @property
    def distance(self) -> float:
        """||w - decode|| / ||w|| after the last iteration; infinite before the first."""
        return self.history[-1].distance if self.history else float("inf")

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """The tensors to save beside ``iteration`` and ``history``."""
        tensors = {_START_DISTANCE: torch.tensor(self.start_distance, dtype=torch.float64)}
        tensors |= {f"{name}:multiplier": multiplier for name, multiplier in self.multipliers.items()}
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
        start_distance = float(tensors.get(_START_DISTANCE, torch.tensor(0.0)))
        return cls(iteration, weights, multipliers, history, start_distance)


def _layer_from_json(layer: Mapping[str, Any]) -> LayerRecord:
    values: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in layer.items()}
    return LayerRecord(**values)
