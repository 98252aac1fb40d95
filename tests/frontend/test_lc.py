import math
import statistics
from dataclasses import replace

import pytest
import torch
from torch import nn

from qcompile.errors import QCompileError, RecipeError
from qcompile.frontend import Adaptive, ScaledBinary, Schedule, compress_directly, decoded, learn_compressed
from qcompile.frontend.lc_state import LearningState
from qcompile.frontend.learning_step import LearningStep

INPUTS, OUTPUTS, SAMPLES = 6, 3, 60


class Regression:
    """Least squares: the L step can be solved exactly, as the analysis of the algorithm assumes."""

    def __init__(self, seed=2):
        generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(SAMPLES, INPUTS, generator=generator) @ torch.randn(
            INPUTS, INPUTS, generator=generator
        )
        self.targets = self.inputs @ torch.randn(INPUTS, OUTPUTS, generator=generator)
        self.network = nn.Linear(INPUTS, OUTPUTS, bias=False)
        with torch.no_grad():
            solution = torch.linalg.lstsq(self.inputs, self.targets).solution.T
            self.network.weight.copy_((solution * 1024).round() / 1024)  # LAPACK's last bits depend on the day

    def loss(self):
        return (self.network(self.inputs) - self.targets).square().mean()

    def train(self, step, steps=100):
        optimizer = torch.optim.SGD(self.network.parameters(), lr=step.clip(0.01), momentum=0.9)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            optimizer.step()
        return loss.item()


SCHEDULE = Schedule(first_penalty=0.05, growth=1.15, iterations=40, tolerance=1e-5)


def test_the_network_ends_on_the_codebook_and_beats_direct_compression():
    ratios = []
    for seed in range(6, 14):  # no guarantee on any one task: the problem is NP-complete, and 18 weights are few
        learned, direct = Regression(seed), Regression(seed)
        compress_directly(direct.network, {"*": Adaptive(2)})
        state = learn_compressed(learned.network, {"*": Adaptive(2)}, learned.train, SCHEDULE)
        assert torch.equal(learned.network.weight, state.weights["weight"].decode())
        assert len(learned.network.weight.unique()) == 2
        assert state.distance < 1e-2
        ratios.append((learned.loss() / direct.loss()).item())
    assert statistics.median(ratios) < 0.8


def test_multipliers_bring_the_weights_closer_than_the_penalty_alone():
    distances = {}
    for form in ("augmented_lagrangian", "quadratic"):
        task = Regression()
        schedule = replace(SCHEDULE, penalty_form=form)
        state = learn_compressed(task.network, {"*": Adaptive(2)}, task.train, schedule)
        distances[form] = state.distance
        assert (state.multipliers["weight"] != 0).any() == (form == "augmented_lagrangian")
    assert distances["augmented_lagrangian"] < distances["quadratic"] / 10


def test_the_l_step_may_be_solved_in_closed_form():
    task, exact = Regression(), Regression()

    def solve(step):
        """Zero gradient of |x w' - y|^2 / n + mu/2 |w - t|^2, n the number of terms of the mean."""
        count, (target,) = exact.targets.numel(), step.targets.values()
        left = 2 / count * exact.inputs.T @ exact.inputs + step.penalty * torch.eye(INPUTS)
        right = 2 / count * exact.targets.T @ exact.inputs + step.penalty * target
        with torch.no_grad():
            exact.network.weight.copy_(torch.linalg.solve(left, right, left=False))

    learn_compressed(task.network, {"*": Adaptive(2)}, lambda step: task.train(step, 2000), SCHEDULE)
    state = learn_compressed(exact.network, {"*": Adaptive(2)}, solve, SCHEDULE)
    assert state.distance < 1e-2
    # Both follow the same path of minimizers, the one up to what 2000 gradient steps leave.
    assert torch.equal(state.weights["weight"].indices, Adaptive(2).fit(task.network.weight).indices)


def test_one_iteration_is_the_formula():
    task = Regression()
    before = task.network.weight.detach().clone()
    penalty, rate = 0.5, 0.01
    start = Adaptive(2).fit(before)

    def train(step):
        assert (step.iteration, step.penalty) == (0, penalty)
        optimizer = torch.optim.SGD(task.network.parameters(), lr=rate)
        task.loss().backward()
        optimizer.step()

    states = []
    learn_compressed(task.network, {"*": Adaptive(2)}, train, Schedule(penalty, 2.0, 1), on_iteration=states.append)
    gradient = 2 / (SAMPLES * OUTPUTS) * (task.inputs @ before.T - task.targets).T @ task.inputs
    moved = before - rate * (gradient + penalty * (before - start.decode()))
    fitted = Adaptive(2).fit(moved, start)
    state = states[0]
    assert torch.allclose(state.weights["weight"].codebook, fitted.codebook, atol=1e-6)
    assert torch.allclose(state.multipliers["weight"], -penalty * (moved - fitted.decode()), atol=1e-6)
    assert state.history[0].distance == pytest.approx(float((moved - fitted.decode()).norm() / moved.norm()), rel=1e-4)
    assert state.history[0].loss is None


def test_learning_stops_at_the_tolerance():
    task = Regression()
    state = learn_compressed(task.network, {"*": Adaptive(2)}, task.train, Schedule(0.02, 1.2, 500, tolerance=0.05))
    assert state.distance < 0.05
    assert all(record.distance >= 0.05 for record in state.history[:-1])
    assert state.iteration == len(state.history) < 500


@pytest.mark.parametrize("stop_after", [1, 7])
def test_a_resumed_run_ends_bit_for_bit_where_the_whole_one_does(stop_after):
    layers, schedule = {"*": Adaptive(4)}, Schedule(0.02, 1.3, 12, tolerance=0)
    whole = Regression()
    wanted = learn_compressed(whole.network, layers, whole.train, schedule)

    class StopHereError(Exception):
        pass

    broken, saved = Regression(), []

    def save(state):
        weight = broken.network.weight.detach().clone()
        saved.append((weight, {name: tensor.clone() for name, tensor in state.to_tensors().items()}, state.history))
        if state.iteration == stop_after:
            raise StopHereError

    with pytest.raises(StopHereError):
        learn_compressed(broken.network, layers, broken.train, schedule, on_iteration=save)
    weight, tensors, history = saved[-1]
    again = Regression()
    again.network.weight.data.copy_(weight)
    state = LearningState.from_tensors(tensors, stop_after, history)
    found = learn_compressed(again.network, layers, again.train, schedule, state=state)
    assert found.history == wanted.history
    for name, tensor in wanted.to_tensors().items():
        assert torch.equal(found.to_tensors()[name], tensor), name


def test_a_finished_state_only_places_the_weights():
    task = Regression()
    state = learn_compressed(task.network, {"*": Adaptive(2)}, task.train, Schedule(0.1, 1.2, 3, tolerance=0))
    other = Regression()
    learn_compressed(other.network, {"*": Adaptive(2)}, other.train, Schedule(0.1, 1.2, 3, tolerance=0), state=state)
    assert torch.equal(other.network.weight, task.network.weight)


def test_layers_left_alone_move_freely_and_biases_stay_float():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    inputs, labels = torch.randn(64, 4), torch.randint(2, (64,))

    def train(step):
        optimizer = torch.optim.SGD(network.parameters(), lr=step.clip(0.1))
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()

    state = learn_compressed(network, {"2": "float", "*": ScaledBinary()}, train, Schedule(0.1, 1.5, 4))
    assert list(state.weights) == ["0.weight"]
    assert len(network[0].weight.unique()) == 2
    assert len(network[2].weight.unique()) > 2
    assert len(network[0].bias.unique()) > 2


def test_training_that_steps_no_optimizer_is_an_error():
    with pytest.raises(QCompileError, match="stepped no optimizer that holds weight"):
        learn_compressed(Regression().network, {"*": Adaptive(2)}, lambda step: None, SCHEDULE)


def test_divergence_names_the_layer():
    task = Regression()

    def train(step):
        task.train(step, steps=1)
        task.network.weight.data[0, :2] = math.nan

    with pytest.raises(QCompileError, match="weight: 2 of 18 weights are not finite"):
        learn_compressed(task.network, {"*": Adaptive(2)}, train, SCHEDULE)


def test_a_loss_that_is_not_finite_is_an_error():
    task = Regression()

    def train(step):
        task.train(step, steps=1)
        return math.inf

    with pytest.raises(QCompileError, match="the loss of iteration 0 is inf"):
        learn_compressed(task.network, {"*": Adaptive(2)}, train, SCHEDULE)


def test_the_learning_rate_is_clipped_by_the_penalty():
    step = LearningStep(0, 40.0)
    assert step.clip(0.1) == 1 / 40
    assert step.clip(0.01) == 0.01


def test_decoded_gives_the_weights_back():
    task = Regression()
    own = task.network.weight.detach().clone()
    weights = {"weight": Adaptive(2).fit(own)}
    with decoded(task.network, weights) as network:
        assert torch.equal(network.weight, weights["weight"].decode())
    assert torch.equal(task.network.weight, own)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"first_penalty": 0.0}, "first_penalty is 0.0"),
        ({"growth": 0.9}, "growth is 0.9"),
        ({"iterations": 0}, "iterations is 0"),
        ({"tolerance": 1.0}, "tolerance is 1.0"),
        ({"penalty_form": "linear"}, 'penalty_form is "linear"'),
    ],
)
def test_a_schedule_out_of_range_is_refused(values, message):
    with pytest.raises(RecipeError, match=message):
        Schedule(**values)
