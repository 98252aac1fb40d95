import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.mixed.supernet_optimizer import (
    SupernetOptimization,
    learning_rate_share,
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
