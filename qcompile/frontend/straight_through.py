"""Straight-through training on a codebook, as a baseline: the network computes with decode(w), its gradient moves w.

Sources: Courbariaux et al., BinaryConnect, arXiv 1511.00363; Bengio et al., arXiv 1308.3432 (the estimator).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from qcompile.errors import RecipeError
from qcompile.frontend.advance import compress, finish_learning, start_learning
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks import Codebook, JointCodebook
from qcompile.frontend.direct import fit_all
from qcompile.frontend.lc_state import LearningState
from qcompile.frontend.learning_step import LearningStep, Train, run_training
from qcompile.frontend.penalty import optimized_weights
from qcompile.frontend.selection import LayerRules, select_codebooks

Weights = dict[str, CodebookWeight]


def train_straight_through(
    network: nn.Module,
    layers: LayerRules,
    train: Train,
    iterations: int,
    *,
    refit_every: int = 1,
    state: LearningState | None = None,
    on_iteration: Callable[[LearningState], None] | None = None,
    calibration: Iterable[torch.Tensor] | None = None,
) -> LearningState:
    """Trains ``network`` at its decoded weights, ``iterations`` times ``train(step)``; its ``weights`` are the result.

    While ``train`` runs the parameters hold decode(w); whenever an optimizer steps, the gradient there moves the
    float w behind it. After every step each index goes to its nearest entry, and after each ``refit_every`` steps
    the codebooks are fitted anew, those of several layers only after ``train``. All else as in
    ``iterate_direct_compression``; ``on_iteration`` sees the network with its float weights. An optimizer whose step
    calls a closure (LBFGS) computes its gradient at w instead.

    Raises RecipeError if ``refit_every`` is below 1, and as ``learn_compressed`` does.
    """
    if refit_every < 1:
        raise RecipeError(f"refit_every is {refit_every}, wanted at least 1")
    codebooks = select_codebooks(network, layers)
    parameters = {name: network.get_parameter(name) for name in codebooks}
    state = state or start_learning(parameters, codebooks)
    while state.iteration < iterations:
        step = LearningStep(state.iteration, 0.0)
        with decoded_steps(parameters, codebooks, state.weights, refit_every) as latest:
            training = run_training(step, parameters, train)
        state = compress(state, step, training, parameters, codebooks, latest)
        if on_iteration is not None:
            on_iteration(state)
    finish_learning(network, state, calibration)
    return state


@contextmanager
def decoded_steps(
    parameters: Mapping[str, nn.Parameter], codebooks: Mapping[str, Codebook], weights: Weights, refit_every: int
) -> Iterator[Weights]:
    """Inside, ``parameters`` hold decode(w), but while an optimizer steps, when they hold w; on leaving they hold w.

    So the gradient is taken at decode(w) and acts on w, whatever the network does with its parameters: two modules may
    share one, a compiled or wrapped module sees plain parameters under their own names. Yields the codebook weights,
    which follow w.
    """
    floats = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    latest, steps = dict(weights), dict.fromkeys(parameters, 0)
    names = {id(parameter): name for name, parameter in parameters.items()}

    def names_of(optimizer: torch.optim.Optimizer) -> list[str]:
        return [names[id(weight)] for weight in optimized_weights(optimizer, names)]

    def fit(name: str) -> CodebookWeight:
        if isinstance(codebooks[name], JointCodebook):
            return encode(name)
        return fit_all({name: floats[name]}, {name: codebooks[name]}, latest)[name]

    def encode(name: str) -> CodebookWeight:
        return codebooks[name].encode(floats[name], latest[name])

    def restore(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        _copy({name: floats[name] for name in names_of(optimizer)}, parameters)

    def follow(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        stepped = names_of(optimizer)
        _copy({name: parameters[name].detach() for name in stepped}, floats)
        for name in stepped:
            steps[name] += 1
            latest[name] = fit(name) if steps[name] % refit_every == 0 else encode(name)
        _copy({name: latest[name].decode() for name in stepped}, parameters)

    hooks = (register_optimizer_step_pre_hook(restore), register_optimizer_step_post_hook(follow))
    _copy({name: weight.decode() for name, weight in latest.items()}, parameters)
    try:
        yield latest
    finally:
        for hook in hooks:
            hook.remove()
        _copy(floats, parameters)


def _copy(sources: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, source in sources.items():
            targets[name].copy_(source)
