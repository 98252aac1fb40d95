import pytest
import torch
from torch.optim import optimizer

from qcompile.errors import QCompileError
from qcompile.frontend.learning_step import LearningStep, run_training

STEP = LearningStep(3, 0.5)


def make_parameters(count=2):
    return {f"w{index}": torch.nn.Parameter(torch.ones(2)) for index in range(count)}


def step_once(parameters, rate=0.25):
    torch.optim.SGD(list(parameters), lr=rate).step()


def test_it_gives_loss_learning_rate_and_seconds():
    parameters = make_parameters()

    def train(step):
        assert step is STEP
        step_once(parameters.values(), 0.5)
        step_once(parameters.values(), 0.125)
        step_once(make_parameters(1).values(), 9.0)  # somebody else's
        return 1.5

    training = run_training(STEP, parameters, train)
    assert (training.loss, training.learning_rate) == (1.5, 0.125)
    assert training.seconds > 0


def test_a_parameter_that_no_optimizer_steps_is_named():
    parameters = make_parameters()
    with pytest.raises(QCompileError, match=r"stepped no optimizer that holds w1: these cannot be learned"):
        run_training(STEP, parameters, lambda step: step_once([parameters["w0"]]))


def test_a_parameter_that_is_written_to_needs_no_optimizer():
    parameters = make_parameters()

    def train(step):
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.copy_(torch.zeros(2))

    assert run_training(STEP, parameters, train).learning_rate is None


def test_an_optimizer_without_a_learning_rate():
    parameters = make_parameters(1)

    class Own(torch.optim.Optimizer):
        def __init__(self, weights):
            super().__init__(weights, {})

        def step(self, closure=None):
            pass

    assert run_training(STEP, parameters, lambda step: Own(parameters.values()).step()).learning_rate is None


def test_nothing_is_watched_after_an_error():
    before = optimizer._global_optimizer_post_hooks.copy()
    with pytest.raises(ZeroDivisionError):
        run_training(STEP, make_parameters(), lambda step: 1 / 0)
    assert optimizer._global_optimizer_post_hooks == before


def test_without_a_penalty_the_learning_rate_is_not_clipped():
    assert LearningStep(0, 0.0).clip(7.0) == 7.0
    assert STEP.clip(7.0) == 2.0
