import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.errors import QCompileError, RecipeError
from qcompile.frontend import Adaptive, ScaledBinary, compress_directly, train_straight_through
from qcompile.frontend.lc_state import LearningState

INPUTS = torch.randn(96, 6, generator=torch.Generator().manual_seed(1))
LABELS = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()
LAYERS = {"*": ScaledBinary()}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.again, self.last = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.middle = nn.Linear(8, 8)
        self.again.weight = self.middle.weight

    def forward(self, inputs):
        return self.last(torch.tanh(self.again(torch.tanh(self.middle(torch.tanh(self.first(inputs)))))))


def make_train(network, steps=8, optimizer=torch.optim.Adam):
    def train(step):
        own = optimizer(network.parameters(), lr=0.02)
        for _ in range(steps):
            own.zero_grad()
            loss = F.cross_entropy(network(INPUTS), LABELS)
            loss.backward()
            own.step()
        return loss.item()

    return train


@pytest.mark.parametrize("refit_every", [1, 3])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_it_is_the_straight_through_estimator(optimizer, refit_every):
    """Against weights that a function of autograd's own decodes in the forward pass: the same numbers, bit for bit."""
    network, plain = Network(), Network()
    state = train_straight_through(
        network, {"last": ScaledBinary(), "*": "float"}, make_train(network, 8, optimizer), 1, refit_every=refit_every
    )

    class Decode(torch.autograd.Function):
        @staticmethod
        def forward(ctx, weight, decoded):
            return decoded.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient, None

    own, weight = optimizer(plain.parameters(), lr=0.02), plain.last.weight
    scale = weight.detach().double().abs().mean().float()
    for count in range(1, 9):
        own.zero_grad()
        decoded = torch.where(weight.detach() > 0, scale, -scale)
        hidden = torch.tanh(plain.again(torch.tanh(plain.middle(torch.tanh(plain.first(INPUTS))))))
        F.cross_entropy(F.linear(hidden, Decode.apply(weight, decoded), plain.last.bias), LABELS).backward()
        own.step()
        if count % refit_every == 0:
            scale = weight.detach().double().abs().mean().float()
    scale = weight.detach().double().abs().mean().float()
    assert torch.equal(state.weights["last.weight"].decode(), torch.where(weight.detach() > 0, scale, -scale))
    assert torch.equal(network.first.weight, plain.first.weight)


def test_inside_the_network_is_decoded_and_outside_it_is_float():
    network, seen = Network(), []

    def train(step):
        assert [name for name, _ in network.named_parameters()] == [name for name, _ in Network().named_parameters()]
        seen.append([len(network.get_parameter(f"{name}.weight").unique()) for name in ("first", "middle", "again")])
        loss = make_train(network, 3)(step)
        seen.append([len(network.get_parameter(f"{name}.weight").unique()) for name in ("first", "middle", "again")])
        return loss

    states = []

    def look(state):
        states.append(state)
        assert len(network.first.weight.unique()) > 2
        assert state.weights["first.weight"].decode().shape == (8, 6)

    train_straight_through(network, LAYERS, train, 2, on_iteration=look)
    assert seen == [[2, 2, 2]] * 4
    assert len(network.first.weight.unique()) == 2
    assert network.again.weight is network.middle.weight
    assert [state.history[-1].penalty for state in states] == [0.0, 0.0]


def test_it_beats_direct_compression():
    network, direct = Network(), Network()
    for each in (network, direct):
        make_train(each, 200)(None)
    compress_directly(direct, LAYERS)
    train_straight_through(network, LAYERS, make_train(network, 60), 5, refit_every=5)
    losses = [F.cross_entropy(each(INPUTS), LABELS).item() for each in (network, direct)]
    assert losses[0] < 0.5 * losses[1]


def test_a_resumed_run_ends_bit_for_bit_where_the_whole_one_does():
    whole = Network()
    wanted = train_straight_through(whole, LAYERS, make_train(whole), 4, refit_every=3)
    broken, saved = Network(), []

    class StopHereError(Exception):
        pass

    def save(state):
        saved.append(({n: t.clone() for n, t in broken.state_dict().items()}, state.to_tensors(), state.history))
        if state.iteration == 2:
            raise StopHereError

    with pytest.raises(StopHereError):
        train_straight_through(broken, LAYERS, make_train(broken), 4, refit_every=3, on_iteration=save)
    parameters, tensors, history = saved[-1]
    again = Network()
    again.load_state_dict(parameters)
    state = LearningState.from_tensors(tensors, 2, history)
    found = train_straight_through(again, LAYERS, make_train(again), 4, refit_every=3, state=state)
    assert found.history == wanted.history
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_a_training_that_fails_leaves_the_float_weights():
    network = Network()

    def train(step):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_straight_through(network, LAYERS, train, 1)
    assert torch.equal(network.first.weight, Network().first.weight)
    make_train(network, 1)(None)  # no hook is left
    assert len(network.first.weight.unique()) > 2


def test_what_is_wrong_is_said():
    network = Network()
    with pytest.raises(RecipeError, match="refit_every is 0"):
        train_straight_through(network, LAYERS, make_train(network), 1, refit_every=0)
    with pytest.raises(QCompileError, match=r"stepped no optimizer that holds first\.weight"):
        train_straight_through(network, LAYERS, lambda step: None, 1)

    def diverge(step):
        network.last.bias.data.fill_(float("nan"))
        make_train(network, 2)(step)

    with pytest.raises(QCompileError, match=r"last\.weight: 16 of 16 weights are not finite"):
        train_straight_through(network, {"last": Adaptive(2), "*": "float"}, diverge, 1)
