"""Iterated direct compression: compress, train on from the compressed weights, compress again. A baseline.

Nothing couples the two, so training leaves the codebooks again and each compression undoes it; it improves on direct
compression somewhat, and stays behind LC. Source: Carreira-Perpinan, arXiv 1707.01209, section 6.2.
"""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from qcompile.frontend.advance import compress, finish_learning, start_learning
from qcompile.frontend.direct import place_weights
from qcompile.frontend.lc_state import LearningState
from qcompile.frontend.learning_step import LearningStep, Train, run_training
from qcompile.frontend.selection import LayerRules, select_codebooks


def iterate_direct_compression(
    network: nn.Module,
    layers: LayerRules,
    train: Train,
    iterations: int,
    *,
    state: LearningState | None = None,
    on_iteration: Callable[[LearningState], None] | None = None,
    calibration: Iterable[torch.Tensor] | None = None,
) -> LearningState:
    """Compresses ``network`` and trains it from there, ``iterations`` times; its ``weights`` are those of the last.

    All else as in ``learn_compressed``: at the end ``network`` holds the decoded weights, and each state that
    ``on_iteration`` sees continues the run. The penalty of every step is 0, so ``step.clip`` changes nothing.
    """
    codebooks = select_codebooks(network, layers)
    parameters = {name: network.get_parameter(name) for name in codebooks}
    state = state or start_learning(parameters, codebooks)
    while state.iteration < iterations:
        place_weights(network, state.weights)
        step = LearningStep(state.iteration, 0.0)
        training = run_training(step, parameters, train)
        state = compress(state, step, training, parameters, codebooks, state.weights)
        if on_iteration is not None:
            on_iteration(state)
    finish_learning(network, state, calibration)
    return state
