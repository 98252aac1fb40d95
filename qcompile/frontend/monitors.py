"""The figures of an iteration: how far the weights are from their codebooks, and how those move."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.lc_state import IterationRecord, LayerRecord
from qcompile.frontend.learning_step import LearningStep, Training

_DIGITS = 7  # of a codebook entry: all that float32 has


@dataclass(frozen=True, eq=False)
class Fit:
    """A C step: the float weights, the codebook weights before and after it, by parameter name, and its seconds."""

    weights: Mapping[str, torch.Tensor]
    before: Mapping[str, CodebookWeight]
    after: Mapping[str, CodebookWeight]
    seconds: float


def make_record(step: LearningStep, training: Training, fit: Fit) -> IterationRecord:
    """The record of an iteration."""
    layers = {name: _describe(weight, fit.before[name], fit.after[name]) for name, weight in fit.weights.items()}
    counts = {name: weight.numel() for name, weight in fit.weights.items()}
    return IterationRecord(
        iteration=step.iteration,
        penalty=step.penalty,
        distance=relative_distance(fit.weights, fit.after),
        loss=training.loss,
        changed=sum(layers[name].changed * count for name, count in counts.items()) / sum(counts.values()),
        moved=_moved(fit),
        learning_rate=training.learning_rate,
        training_seconds=training.seconds,
        fitting_seconds=fit.seconds,
        layers=layers,
    )


def relative_distance(weights: Mapping[str, torch.Tensor], fitted: Mapping[str, CodebookWeight]) -> float:
    """||w - decode|| / ||w|| over all layers together; 0 where both are 0."""
    gaps = [weight.detach().cpu() - fitted[name].decode() for name, weight in weights.items()]
    return _relative(gaps, weights)


def _moved(fit: Fit) -> float:
    moves = [fit.after[name].decode() - fit.before[name].decode() for name in fit.weights]
    return _relative(moves, fit.weights)


def _relative(differences: Sequence[torch.Tensor], weights: Mapping[str, torch.Tensor]) -> float:
    difference = math.sqrt(sum(map(_squares, differences)))
    whole = math.sqrt(sum(_squares(weight.detach()) for weight in weights.values()))
    return difference / whole if whole > 0 else difference


def _squares(tensor: torch.Tensor) -> float:
    return float(tensor.double().square().sum())


def _describe(weight: torch.Tensor, before: CodebookWeight, after: CodebookWeight) -> LayerRecord:
    distance = relative_distance({"": weight}, {"": after})
    changed = float((before.indices != after.indices).double().mean())
    codebooks = after.codebook if after.scale is None else after.codebook * after.scale[:, None]
    if len(codebooks) == 1:
        return LayerRecord(distance, changed, after.bits, _entries(codebooks[0]))
    mean, lowest, highest = codebooks.double().mean(dim=0), codebooks.amin(dim=0), codebooks.amax(dim=0)
    return LayerRecord(distance, changed, after.bits, _entries(mean), _entries(lowest), _entries(highest))


def _entries(values: torch.Tensor) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values.tolist())
