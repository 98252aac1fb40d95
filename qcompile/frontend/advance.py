"""How the state of learning begins, and what an iteration makes of it; the same for every method."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from qcompile.frontend.codebooks import Codebook
from qcompile.frontend.direct import fit_all
from qcompile.frontend.lc_state import LearningState
from qcompile.frontend.learning_step import LearningStep, Training
from qcompile.frontend.monitors import Fit, make_record, relative_distance


def start_learning(parameters: Mapping[str, torch.Tensor], codebooks: Mapping[str, Codebook]) -> LearningState:
    """The state before the first iteration: direct compression, which is the path's limit as mu goes to 0."""
    weights = fit_all(parameters, codebooks)
    return LearningState(0, weights, {}, (), relative_distance(parameters, weights))


def advance(
    state: LearningState,
    step: LearningStep,
    training: Training,
    fit: Fit,
    multipliers: dict[str, torch.Tensor],
) -> LearningState:
    """The state after an iteration."""
    return replace(
        state,
        iteration=step.iteration + 1,
        weights=dict(fit.after),
        multipliers=multipliers,
        history=(*state.history, make_record(step, training, fit)),
    )
