import math

import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.mixed.supernet_optimizer import (
    SupernetOptimization,
    learning_rate_share,
    limit_step_gradients,
    make_supernet_optimizer,
    restore_momentum,
    save_momentum,
    set_learning_rate,
)

SETTINGS = SupernetOptimization(learning_rate=0.5, step_learning_rate=0.125, weight_decay=0.25, warm_up=0.0)


def give_gradients(supernet, value=0.0):
    for parameter in supernet.parameters():
        parameter.grad = torch.full_like(parameter, value)


def moved(supernet, optimizer):
    before = {name: parameter.detach().clone() for name, parameter in supernet.named_parameters()}
    optimizer.step()
    return {name: (parameter - before[name]).detach() for name, parameter in supernet.named_parameters()}


def test_every_parameter_is_in_one_group_and_decay_acts_on_weights_alone(make_supernet):
    supernet = make_supernet()
    optimizer = make_supernet_optimizer(supernet, SETTINGS)
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in supernet.parameters())
    give_gradients(supernet)
    weights = {id(layer.weight) for layer in supernet.layers.values()}
    decayed = {name for name, change in moved(supernet, optimizer).items() if change.any()}
    assert decayed == {name for name, parameter in supernet.named_parameters() if id(parameter) in weights}


def test_steps_have_a_learning_rate_of_their_own(make_supernet):
    supernet = make_supernet()
    optimizer = make_supernet_optimizer(supernet, SupernetOptimization(0.5, 0.0, warm_up=0.0))
    set_learning_rate(optimizer, SETTINGS, 0.0)
    give_gradients(supernet, 1.0)
    steps = {id(step) for step in supernet.steps()}
    for name, parameter in supernet.named_parameters():
        assert (id(parameter) in steps) == (parameter.numel() > 0 and "step" in name), name
    still = {name for name, change in moved(supernet, optimizer).items() if not change.any()}
    assert still == {name for name, parameter in supernet.named_parameters() if id(parameter) in steps}


def test_the_learning_rate_rises_in_a_line_and_falls_as_a_cosine(make_supernet):
    settings = SupernetOptimization(learning_rate=0.5, step_learning_rate=0.125, warm_up=0.2, final_share=0.1)
    shares = [learning_rate_share(settings, progress) for progress in (0.0, 0.05, 0.1, 0.2, 0.6, 1.0)]
    assert shares == pytest.approx([0.0, 0.25, 0.5, 1.0, 0.55, 0.1], abs=1e-12)
    optimizer = make_supernet_optimizer(make_supernet(), settings)
    set_learning_rate(optimizer, settings, 0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25, 0.0625]


@pytest.mark.parametrize("warm_up", [0.0, 1.0])
def test_a_run_may_be_all_warm_up_or_have_none(warm_up):
    settings = SupernetOptimization(warm_up=warm_up)
    shares = [learning_rate_share(settings, progress) for progress in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.0, 0.5, 1.0] if warm_up else [1.0, 0.5, 0.0], abs=1e-12)


def test_saved_momentum_goes_on_to_the_last_bit(make_supernet):
    supernets = make_supernet(), make_supernet()
    first, second = (make_supernet_optimizer(supernet, SETTINGS) for supernet in supernets)
    give_gradients(supernets[0], 0.3)
    untouched = supernets[0].layers["4"].weight_steps["2"]
    untouched.grad = None
    first.step()
    saved = save_momentum(first, supernets[0])
    assert len(saved) == len(list(supernets[0].parameters())) - 1, "a step that was never drawn has none"
    supernets[1].load_state_dict(supernets[0].state_dict())
    restore_momentum(second, supernets[1], saved)
    for supernet, optimizer in zip(supernets, (first, second), strict=True):
        give_gradients(supernet, -0.1)
        optimizer.step()
    ends = [supernet.state_dict() for supernet in supernets]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize(
    "values", [{"learning_rate": 0.0}, {"warm_up": 1.1}, {"gradient_norm": 0.0}, {"accumulate": 0}]
)
def test_settings_out_of_range_are_refused(values):
    (name,) = values
    with pytest.raises(RecipeError, match=f"{name} is {values[name]}, wanted"):
        SupernetOptimization(**values)


@pytest.mark.parametrize("step_learning_rate", [0.01, 1.0])
def test_a_steps_gradient_is_cut_to_what_changes_it_by_a_part_of_itself(step_learning_rate, make_supernet):
    supernet = make_supernet()
    settings = SupernetOptimization(0.5, step_learning_rate, step_change=0.125)
    optimizer = make_supernet_optimizer(supernet, settings)
    give_gradients(supernet, -1e6)
    small, unused = supernet.layers["4"].weight_steps["8"], supernet.layers["4"].weight_steps["2"]
    small.grad.fill_(1e-9)
    unused.grad = None
    limit_step_gradients(optimizer)
    assert supernet.layers["4"].weight.grad.eq(-1e6).all(), "weights are not steps"
    assert small.grad.item() == torch.tensor(1e-9).item()
    assert unused.grad is None
    for step in supernet.steps():
        if step is not small and step is not unused:
            # A product and a quotient of float32.
            assert -step.grad.item() * step_learning_rate == pytest.approx(0.125 * step.item(), rel=2**-22)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_step_that_is_always_pushed_down_nears_zero_and_does_not_cross_it(sign, make_supernet):
    settings = SupernetOptimization(step_learning_rate=0.05, step_change=0.0025, momentum=0.9, warm_up=0.0)
    supernet = make_supernet()
    optimizer = make_supernet_optimizer(supernet, settings)
    set_learning_rate(optimizer, settings, 0.0)
    begun = [step.item() for step in supernet.steps()]
    for _ in range(300):
        give_gradients(supernet, sign * 1e3)
        limit_step_gradients(optimizer)
        optimizer.step()
        assert all(step.item() > 0 for step in supernet.steps())
    for step, before in zip(supernet.steps(), begun, strict=True):
        assert step.item() < 0.01 * before if sign > 0 else step.item() > 100 * before


def test_gradients_of_steps_are_not_cut_where_the_limit_is_infinite(make_supernet):
    supernet = make_supernet()
    optimizer = make_supernet_optimizer(supernet, SupernetOptimization(step_change=math.inf))
    give_gradients(supernet, 1e6)
    limit_step_gradients(optimizer)
    assert all(step.grad.eq(1e6).all() for step in supernet.steps())
