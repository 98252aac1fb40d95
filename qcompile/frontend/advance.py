"""How the state of learning begins, and what an iteration makes of it; the same for every method."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import nn

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks import Codebook
from qcompile.frontend.direct import fit_all, place_compressed
from qcompile.frontend.distributed import current_team
from qcompile.frontend.lc_state import LearningState
from qcompile.frontend.learning_step import LearningStep, Training
from qcompile.frontend.monitors import Fit, make_record, relative_distance


def start_learning(parameters: Mapping[str, torch.Tensor], codebooks: Mapping[str, Codebook]) -> LearningState:
    """The state before the first iteration: direct compression, which is the path's limit as mu goes to 0."""
    return current_team().on_first(lambda: _start(parameters, codebooks))


def compress(
    state: LearningState,
    step: LearningStep,
    training: Training,
    parameters: Mapping[str, torch.Tensor],
    codebooks: Mapping[str, Codebook],
    previous: Mapping[str, CodebookWeight],
) -> LearningState:
    """The state of a baseline after an iteration: the codebooks nearest to ``parameters``, sought from ``previous`` on.

    As every C step, it runs on the first process, after all have taken over its parameters.
    """
    current_team().unify(parameters)
    return current_team().on_first(lambda: _compress(state, step, training, parameters, codebooks, previous))


def finish_learning(network: nn.Module, state: LearningState, calibration: Iterable[torch.Tensor] | None) -> None:
    """Writes the decoded weights into ``network``, as ``place_compressed`` does; all processes then hold the same."""
    place_compressed(network, state.weights, calibration)
    current_team().adopt(network.state_dict())


def _start(parameters: Mapping[str, torch.Tensor], codebooks: Mapping[str, Codebook]) -> LearningState:
    weights = fit_all(parameters, codebooks)
    return LearningState(0, weights, {}, (), relative_distance(parameters, weights))


def _compress(
    state: LearningState,
    step: LearningStep,
    training: Training,
    parameters: Mapping[str, torch.Tensor],
    codebooks: Mapping[str, Codebook],
    previous: Mapping[str, CodebookWeight],
) -> LearningState:
    start = time.perf_counter()
    current = {name: parameter.detach().cpu() for name, parameter in parameters.items()}
    weights = fit_all(current, codebooks, previous)
    fit = Fit(current, state.weights, weights, time.perf_counter() - start)
    return advance(state, step, training, fit, {})


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
