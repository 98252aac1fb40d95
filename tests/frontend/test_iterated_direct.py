import pytest
import torch
from torch import nn

from qcompile.errors import QCompileError
from qcompile.frontend import Adaptive, Schedule, compress_directly, iterate_direct_compression, learn_compressed
from qcompile.frontend.lc_state import LearningState

LAYERS = {"*": Adaptive(2)}


class Regression:
    """Least squares on 6 inputs and 3 outputs."""

    def __init__(self):
        generator = torch.Generator().manual_seed(2)
        mixed = torch.randn(6, 6, generator=generator)
        self.inputs = torch.randn(60, 6, generator=generator) @ mixed
        self.targets = self.inputs @ torch.randn(6, 3, generator=generator)
        self.network = nn.Linear(6, 3, bias=False)
        with torch.no_grad():
            solution = torch.linalg.lstsq(self.inputs, self.targets).solution.T
            self.network.weight.copy_((solution * 1024).round() / 1024)  # LAPACK's last bits depend on the day

    def loss(self):
        return (self.network(self.inputs) - self.targets).square().mean()

    def train(self, step, steps=30):
        optimizer = torch.optim.SGD(self.network.parameters(), lr=step.clip(0.01), momentum=0.9)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            optimizer.step()
        return loss.item()


def test_each_training_starts_from_the_compressed_weights():
    task, starts = Regression(), []

    def train(step):
        assert (step.penalty, step.clip(5.0)) == (0.0, 5.0)
        starts.append(task.network.weight.detach().clone())
        return task.train(step)

    states = []
    final = iterate_direct_compression(task.network, LAYERS, train, 4, on_iteration=states.append)
    assert torch.equal(starts[0], Adaptive(2).fit(Regression().network.weight).decode())
    for start, state in zip(starts[1:], states[:-1], strict=True):
        assert torch.equal(start, state.weights["weight"].decode())
    assert [state.iteration for state in states] == [1, 2, 3, 4]
    assert torch.equal(task.network.weight, final.weights["weight"].decode())


def test_a_training_that_moves_nothing_leaves_direct_compression():
    task, direct = Regression(), Regression()
    compress_directly(direct.network, LAYERS)
    state = iterate_direct_compression(
        task.network, LAYERS, lambda step: torch.optim.SGD(task.network.parameters(), lr=0.0).step(), 3
    )
    assert torch.equal(task.network.weight, direct.network.weight)
    assert [record.changed for record in state.history] == [0.0, 0.0, 0.0]


def test_it_stays_behind_lc():
    """1707.01209, section 6.2; a case, not a theorem."""
    iterated, learned = Regression(), Regression()
    iterate_direct_compression(iterated.network, LAYERS, iterated.train, 30)
    learn_compressed(learned.network, LAYERS, learned.train, Schedule(0.05, 1.15, 40, tolerance=0))
    assert learned.loss() < iterated.loss()


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_resumed_run_ends_bit_for_bit_where_the_whole_one_does(stop_after):
    whole = Regression()
    wanted = iterate_direct_compression(whole.network, LAYERS, whole.train, 5)
    broken = Regression()
    part = []
    iterate_direct_compression(broken.network, LAYERS, broken.train, stop_after, on_iteration=part.append)
    again = Regression()
    state = LearningState.from_tensors(part[-1].to_tensors(), stop_after, part[-1].history)
    found = iterate_direct_compression(again.network, LAYERS, again.train, 5, state=state)
    assert found.history == wanted.history
    assert torch.equal(again.network.weight, whole.network.weight)


def test_training_that_steps_no_optimizer_is_an_error():
    with pytest.raises(QCompileError, match="stepped no optimizer that holds weight"):
        iterate_direct_compression(Regression().network, LAYERS, lambda step: None, 1)
