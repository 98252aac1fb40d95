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
    with penalized_steps([(weight, torch.tensor([9.0]))], penalty=1.0):
        sgd_step(other)
    sgd_step(weight)
    assert (weight.item(), other.item()) == (0.0, 0.0)


def test_the_targets_of_the_caller_are_not_changed():
    weight, target = torch.nn.Parameter(torch.ones(2)), torch.tensor([3.0, 4.0])
    with penalized_steps([(weight, target)], penalty=0.5):
        sgd_step(weight)
    assert target.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("penalty", [1e-5, 0.3, 40.0])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_is_the_plain_formula(penalty, layout):
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 4, 3, 3), (1, 1, 1, 1), (5, 3, 1, 1), (16, 16, 3, 3)]
    weights = [torch.nn.Parameter(torch.randn(s, generator=generator).contiguous(memory_format=layout)) for s in shapes]
    targets = [torch.randn(s, generator=generator) for s in shapes]
    gradients = [torch.randn(s, generator=generator) for s in shapes]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    with penalized_steps(list(zip(weights, targets, strict=True)), penalty):
        torch.optim.SGD(weights, lr=0.0).step()
    # Four roundings (mu target, mu w, two sums), each of a value that is at most the sum of the magnitudes; mu itself
    # is rounded to float32 by some kernels: a fifth and a sixth.
    for weight, target, gradient in zip(weights, targets, gradients, strict=True):
        wanted = gradient.double() + penalty * (weight.detach().double() - target.double())
        magnitudes = gradient.double().abs() + penalty * (weight.detach().double().abs() + target.double().abs())
        assert ((weight.grad.double() - wanted).abs() <= 6 * 2**-24 * magnitudes).all()
