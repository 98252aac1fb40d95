import pytest
import torch

from qcompile.frontend.penalty import penalized_steps


def sgd_step(weight, accumulate=1, frozen=False):
    optimizer = torch.optim.SGD([weight], lr=1.0)
    optimizer.zero_grad()
    if not frozen:
        for _ in range(accumulate):
            (weight.sum() / accumulate).backward()
    optimizer.step()


@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_step_follows_the_loss_and_the_pull_once(accumulate):
    weight = torch.nn.Parameter(torch.tensor([3.0, -1.0]))
    with penalized_steps([(weight, torch.tensor([1.0, 1.0]))], penalty=0.25):
        sgd_step(weight, accumulate)
    # w - (1 + 0.25 (w - target))
    assert weight.tolist() == [1.5, -1.5]


def test_a_weight_without_a_gradient_is_pulled_too():
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    with penalized_steps([(weight, torch.tensor([1.0]))], penalty=0.5):
        sgd_step(weight, frozen=True)
    assert weight.tolist() == [2.0]


def test_other_parameters_and_steps_outside_are_left_alone():
    weight, other = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    with penalized_steps([(weight, torch.tensor([9.0]))], penalty=1.0) as stepped:
        sgd_step(other)
        assert stepped == set()
    sgd_step(weight)
    assert (weight.item(), other.item()) == (0.0, 0.0)


def test_it_tells_which_weights_were_stepped():
    weight = torch.nn.Parameter(torch.ones(1))
    with penalized_steps([(weight, torch.zeros(1))], penalty=1.0) as stepped:
        sgd_step(weight)
    assert stepped == {id(weight)}
