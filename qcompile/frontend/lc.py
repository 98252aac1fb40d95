"""The learning-compression (LC) algorithm: trains a network until its weights sit on codebooks.

Minimizes the loss L(w) subject to w = decode(codebook, indices), by turns: the L step trains w on
L(w) + mu/2 ||w - decode - lambda/mu||^2, the C step fits the codebooks to w - lambda/mu, and the multipliers
follow, while the penalty mu grows. Sources: Carreira-Perpinan, arXiv 1707.01209 (the algorithm, sections 4 and 5);
Carreira-Perpinan and Idelbayev, arXiv 1707.04319 (quantization).
"""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from qcompile.frontend.advance import advance, finish_learning, start_learning
from qcompile.frontend.codebooks import Codebook
from qcompile.frontend.direct import fit_all
from qcompile.frontend.distributed import current_team
from qcompile.frontend.lc_state import LearningState
from qcompile.frontend.learning_step import LearningStep, Train, Training, run_training
from qcompile.frontend.monitors import Fit
from qcompile.frontend.penalty import penalized_steps
from qcompile.frontend.schedule import Schedule
from qcompile.frontend.selection import LayerRules, select_codebooks
from qcompile.frontend.stuck import StuckAtDirectCompressionWarning, with_advice


def learn_compressed(
    network: nn.Module,
    layers: LayerRules,
    train: Train,
    schedule: Schedule,
    *,
    state: LearningState | None = None,
    on_iteration: Callable[[LearningState], None] | None = None,
    calibration: Iterable[torch.Tensor] | None = None,
) -> LearningState:
    """Trains ``network`` until its weights sit on codebooks; its ``weights`` are what ``export_onnx`` takes.

    ``network`` is trained already; ``layers`` is as in ``select_codebooks``. ``train(step)`` is an ordinary training
    loop, some epochs long, with an ordinary torch optimizer; it may return its mean loss, for the history. Whenever
    an optimizer steps inside it the penalty's gradient is added to the weights' gradients, so the loop needs to know
    nothing of it; only the learning rate should go through ``step.clip``. Codebooks and multipliers stay on the CPU.

    At the end ``network`` holds the decoded weights. After each iteration ``on_iteration`` sees a state that, with
    the network's parameters of that moment (not yet decoded), continues the run when given as ``state``.
    ``calibration``, batches of inputs, is for networks with batch normalization.

    In a process group of torch every process calls this, and ``train`` uses the network wrapped in
    DistributedDataParallel; C steps run on the first process, and all end with the same weights.

    Raises RecipeError as ``select_codebooks`` does; QCompileError if training diverges or ``train`` steps no
    optimizer that holds the weights. Warns, with StuckAtDirectCompressionWarning, if the penalty grew too fast.
    """
    team, codebooks = current_team(), select_codebooks(network, layers)
    parameters = {name: network.get_parameter(name) for name in codebooks}
    state = state or _start(parameters, codebooks)
    while not schedule.is_over(state.iteration, state.distance):
        step = LearningStep(state.iteration, schedule.penalty(state.iteration))
        training = _learn(step, parameters, state, train)
        team.unify(parameters)
        state = team.on_first(partial(_compress, step, parameters, codebooks, state, training, schedule))
        if advice := state.history[-1].advice:
            warnings.warn(advice, StuckAtDirectCompressionWarning, stacklevel=2)
        if on_iteration is not None:
            on_iteration(state)
    finish_learning(network, state, calibration)
    return state


def _start(parameters: Mapping[str, nn.Parameter], codebooks: Mapping[str, Codebook]) -> LearningState:
    multipliers = {name: torch.zeros_like(parameter, device="cpu") for name, parameter in parameters.items()}
    return replace(start_learning(parameters, codebooks), multipliers=multipliers)


def _learn(step: LearningStep, parameters: dict[str, nn.Parameter], state: LearningState, train: Train) -> Training:
    """The L step: the user's training, pulled towards decode + lambda / mu."""
    targets = {
        name: (state.weights[name].decode() + state.multipliers[name] / step.penalty).to(weight.device)
        for name, weight in parameters.items()
    }
    with penalized_steps([(parameters[name], target) for name, target in targets.items()], step.penalty):
        return run_training(replace(step, targets=targets), parameters, train)


def _compress(
    step: LearningStep,
    parameters: dict[str, nn.Parameter],
    codebooks: dict[str, Codebook],
    state: LearningState,
    training: Training,
    schedule: Schedule,
) -> LearningState:
    """The C step on w - lambda / mu, then lambda - mu (w - decode)."""
    start = time.perf_counter()
    current = {name: parameter.detach().cpu() for name, parameter in parameters.items()}
    shifted = {name: weight - state.multipliers[name] / step.penalty for name, weight in current.items()}
    weights = fit_all(shifted, codebooks, state.weights)
    multipliers = state.multipliers
    if schedule.penalty_form == "augmented_lagrangian":
        gaps = {name: weight - weights[name].decode() for name, weight in current.items()}
        multipliers = {name: multipliers[name] - step.penalty * gap for name, gap in gaps.items()}
    fit = Fit(current, state.weights, weights, time.perf_counter() - start)
    return with_advice(advance(state, step, training, fit, multipliers), schedule)
