"""A user's own loop: any optimizer and what loops do besides stepping it; the penalty reaches it as by the formula."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.frontend import Adaptive, Schedule, learn_compressed

INPUTS = torch.randn(96, 6, generator=torch.Generator().manual_seed(1))
LABELS = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()
SCHEDULE = Schedule(first_penalty=0.2, growth=2.0, iterations=3, tolerance=0)
LAYERS = {"*": Adaptive(3)}
OPTIMIZERS = {
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
    "adam foreach": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate, foreach=True),
    "adamw": lambda parameters, rate: torch.optim.AdamW(parameters, lr=rate, weight_decay=0.1),
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, lr=rate),
}


class Network(nn.Module):
    """The middle layer is used twice, and shared by two modules."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.middle, self.again, self.last = (nn.Linear(*s) for s in ((6, 8), (8, 8), (8, 8), (8, 2)))
        self.again.weight = self.middle.weight

    def forward(self, inputs):
        return self.last(torch.tanh(self.again(torch.tanh(self.middle(torch.tanh(self.first(inputs)))))))


def loss_of(network, bfloat16=False, part=slice(None)):
    with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
        return F.cross_entropy(network(INPUTS[part]).float(), LABELS[part])


def learn(train_one, *, steps=5):
    network = Network()
    return network, learn_compressed(network, LAYERS, lambda step: train_one(network, step, steps), SCHEDULE)


def by_formula(make_optimizer, *, steps=5, bfloat16=False):
    """The same path, the penalty being a term of the loss."""
    network = Network()
    parameters = {name: network.get_parameter(name) for name in ("first.weight", "middle.weight", "last.weight")}
    weights = {name: Adaptive(3).fit(parameter) for name, parameter in parameters.items()}
    multipliers = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for iteration in range(SCHEDULE.iterations):
        mu = SCHEDULE.penalty(iteration)
        optimizer = make_optimizer(network.parameters(), min(0.01, 1 / mu))
        for _ in range(steps):
            optimizer.zero_grad()
            gaps = [w - weights[n].decode() - multipliers[n] / mu for n, w in parameters.items()]
            (loss_of(network, bfloat16) + mu / 2 * sum(gap.square().sum() for gap in gaps)).backward()
            optimizer.step()
        current = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        weights = {n: Adaptive(3).fit(w - multipliers[n] / mu, weights[n]) for n, w in current.items()}
        multipliers = {n: multipliers[n] - mu * (w - weights[n].decode()) for n, w in current.items()}
    return weights, multipliers


def assert_same_path(state, wanted, tolerance=2e-5):
    """The two sum the same gradient in another order; Adam's and RMSprop's division by small roots magnifies it."""
    weights, multipliers = wanted
    assert list(state.weights) == list(weights)
    for name, weight in weights.items():
        assert torch.equal(state.weights[name].indices, weight.indices), name
        assert (state.weights[name].codebook - weight.codebook).abs().max() < tolerance, name
        assert (state.multipliers[name] - multipliers[name]).abs().max() < tolerance, name


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer_follows_the_formula(name, bfloat16):
    def train(network, step, steps):
        optimizer = OPTIMIZERS[name](network.parameters(), step.clip(0.01))
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(network, bfloat16).backward()
            optimizer.step()

    _, state = learn(train)
    assert_same_path(state, by_formula(OPTIMIZERS[name], bfloat16=bfloat16))


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_accumulated_gradients_take_the_penalty_once(name):
    def train(network, step, steps):
        optimizer = OPTIMIZERS[name](network.parameters(), step.clip(0.01))
        for _ in range(steps):
            optimizer.zero_grad()
            for part in torch.arange(96).split(40):  # 40, 40, 16
                (loss_of(network, part=part) * (len(part) / 96)).backward()
            optimizer.step()

    _, state = learn(train)
    assert_same_path(state, by_formula(OPTIMIZERS[name]))


def test_parameter_groups_and_two_optimizers():
    def train(network, step, steps):
        groups = [
            {"params": [network.first.weight, network.middle.weight], "weight_decay": 0.0},
            {"params": [network.first.bias, network.middle.bias, network.again.bias]},
        ]
        optimizers = [
            torch.optim.SGD(groups, lr=step.clip(0.01)),
            torch.optim.SGD(network.last.parameters(), lr=step.clip(0.01)),
        ]
        for _ in range(steps):
            network.zero_grad()
            loss_of(network).backward()
            for optimizer in optimizers:
                optimizer.step()

    _, state = learn(train)
    assert_same_path(state, by_formula(lambda parameters, rate: torch.optim.SGD(parameters, lr=rate)))


def test_a_scheduler_inside_the_loop_and_clipped_gradients():
    rates = []

    def train(network, step, steps):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(network)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1e-9)  # the loss moves nothing: only the penalty does
            optimizer.step()
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()

    network, state = learn(train)
    assert rates[0] == 0.1
    assert rates[-1] < 0.02
    start = {name: Adaptive(3).fit(Network().get_parameter(name)) for name in state.weights}
    for name, weight in state.weights.items():
        assert torch.equal(weight.indices, start[name].indices), "the penalty alone pulls weights to where they were"
    assert network.again.weight is network.middle.weight


def test_shared_weights_count_once_and_end_on_one_codebook():
    def train(network, step, steps):
        optimizer = torch.optim.SGD(network.parameters(), lr=step.clip(0.05))
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(network).backward()
            optimizer.step()

    network, state = learn(train)
    assert list(state.weights) == ["first.weight", "middle.weight", "last.weight"]
    assert len(network.again.weight.unique()) == 3
