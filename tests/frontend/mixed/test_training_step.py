import math

import pytest
import torch
from torch.nn import functional as F

from qcompile.errors import RecipeError
from qcompile.frontend.mixed.distortion import Mitigation
from qcompile.frontend.mixed.sampling import draw_plan
from qcompile.frontend.mixed.supernet_optimizer import SupernetOptimization, make_supernet_optimizer
from qcompile.frontend.mixed.training_step import Passes, plan_step, train_step


def plans_of(supernet, count=2):
    generator = torch.Generator().manual_seed(3)
    return [draw_plan(supernet.candidates, generator) for _ in range(count)]


def step(supernet, samples, passes, *, plans=None, criterion=None, bfloat16=False, **options):
    settings = SupernetOptimization(learning_rate=0.1, step_change=math.inf, bfloat16=bfloat16, **options)
    optimizer = make_supernet_optimizer(supernet, settings)
    chosen = plans_of(supernet, passes.random) if plans is None else plans
    more = {} if criterion is None else {"criterion": criterion}
    planned = plan_step(supernet, chosen, supernet.candidates, passes, **more)
    return train_step(supernet, optimizer, samples.images, samples.labels, planned, settings)


def gradients(supernet):
    return {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}


def naive_gradients(supernet, samples, passes, plans):
    """The formula, with everything in one graph."""
    features = {}
    hooks = [
        module.register_forward_hook(lambda m, i, output, name=name: features.__setitem__(name, output.clone()))
        for name, module in supernet.outputs.items()
    ]
    supernet.choose(supernet.largest())
    logits = supernet(samples.images)
    wanted, answers = dict(features), logits.detach().softmax(dim=1)
    losses, total = [F.cross_entropy(logits, samples.labels)], 0.0
    for plan in plans:
        supernet.choose(plan)
        logits = supernet(samples.images)
        found = logits.log_softmax(dim=1)
        divergence = (answers * (answers.log() - found)).sum(dim=1).mean()
        loss = passes.distillation * divergence + (1 - passes.distillation) * F.cross_entropy(logits, samples.labels)
        smallest = [name for name in ("4", "6") if plan[name].weight == 2]
        far = sum(((features[name] - wanted[name].detach()) ** 2).mean() for name in smallest)
        losses.append(loss + passes.mitigation.weight * far)
    for hook in hooks:
        hook.remove()
    total = passes.largest_weight * losses[0] + passes.random_weight * sum(losses[1:])
    total.backward()
    return [loss.item() for loss in losses], gradients(supernet)


@pytest.mark.parametrize(
    "passes",
    [
        Passes(2),
        Passes(0),
        Passes(3, distillation=0.25, largest_weight=2.0, random_weight=0.5),
        Passes(3, mitigation=Mitigation(0.5)),
    ],
    ids=["usual", "largest alone", "weights", "distortion"],
)
def test_a_step_is_the_formula(passes, make_supernet, make_samples):
    samples = make_samples(24)
    supernet, other = make_supernet(), make_supernet()
    plans = plans_of(supernet, passes.random)
    assert passes.random == 0 or any(plan[name].weight == 2 for plan in plans for name in ("4", "6"))
    losses = step(supernet, samples, passes)
    wanted, by_formula = naive_gradients(other, samples, passes, plans)
    # Sums of below 24 * 128 float32 numbers of about 1, in another order: far below 2^-12 of the largest.
    assert [losses.largest, *losses.random] == pytest.approx(wanted, rel=2**-18)
    found = gradients(supernet)
    assert found.keys() == by_formula.keys()
    for name, gradient in by_formula.items():
        assert (found[name] - gradient).abs().max() <= 2**-14 * max(1.0, float(gradient.abs().max())), name


@pytest.mark.parametrize("accumulate", [2, 5, 24, 100])
def test_a_step_in_parts_is_a_step_of_the_whole_batch(accumulate, make_supernet, make_samples):
    samples, passes = make_samples(24), Passes(2, mitigation=Mitigation(0.1))
    whole, parts = (make_supernet(normalize=False) for _ in range(2))  # batch statistics are those of a part
    first = step(whole, samples, passes)
    second = step(parts, samples, passes, accumulate=accumulate)
    assert second.random == pytest.approx(first.random, rel=2**-18)
    assert second.distortions == pytest.approx(first.distortions, rel=2**-18)
    for name, gradient in gradients(whole).items():
        difference = (gradients(parts)[name] - gradient).abs().max()
        assert difference <= 2**-14 * max(1.0, float(gradient.abs().max())), name


def test_the_largest_pass_may_learn_from_another_criterion(make_supernet, make_samples):
    supernet, asked = make_supernet(), []

    def criterion(images, logits, labels):
        asked.append((images, labels))
        return logits.sum() * 0 + 7

    samples = make_samples(8)
    losses = step(supernet, samples, Passes(2, distillation=0.0), criterion=criterion)
    assert losses.largest == 7
    assert len(asked) == 1
    assert torch.equal(asked[0][0], samples.images)
    assert all(loss < 7 for loss in losses.random)


def test_no_gradient_goes_through_the_answers(make_supernet, make_samples):
    samples, supernet = make_samples(8), make_supernet()
    plans = [supernet.largest()]
    step(supernet, samples, Passes(1, distillation=1.0, largest_weight=0.0), plans=plans)
    for name, gradient in gradients(supernet).items():
        # The same logits twice: their divergence is least there, so only rounding is left.
        assert gradient.abs().max() < 1e-5, name


def test_gradients_are_scaled_down_to_the_norm(make_supernet, make_samples):
    found = {}
    for norm in (float("inf"), 1e-2):
        supernet = make_supernet()
        step(supernet, make_samples(24), Passes(2), gradient_norm=norm)
        found[norm] = torch.cat([gradient.flatten() for gradient in gradients(supernet).values()])
    assert found[float("inf")].norm() > 0.1
    assert float(found[1e-2].norm()) == pytest.approx(1e-2, rel=1e-3)
    assert F.cosine_similarity(found[1e-2], found[float("inf")], dim=0) > 0.999999


def test_steps_of_widths_that_were_not_drawn_stay(make_supernet, make_samples):
    supernet = make_supernet()
    before = {name: parameter.detach().clone() for name, parameter in supernet.named_parameters()}
    step(supernet, make_samples(24), Passes(1), plans=[supernet.uniform(4)])
    moved = {name for name, parameter in supernet.named_parameters() if not torch.equal(parameter, before[name])}
    steps = {name for name in before if "_steps." in name}
    assert {name for name in steps if name.endswith((".4", ".8"))} <= moved
    assert not {name for name in steps if name.endswith(".2")} & moved


def test_without_weight_no_output_is_kept_and_the_distortion_is_zero(make_supernet, make_samples, monkeypatch):
    supernet = make_supernet()
    for module in supernet.outputs.values():
        monkeypatch.setattr(module, "register_forward_hook", None)
    assert step(supernet, make_samples(8), Passes(2)).distortions == (0.0, 0.0)


def test_bfloat16_gives_float32_gradients_near_those_of_float32(make_supernet, make_samples):
    found = []
    for bfloat16 in (False, True):
        supernet = make_supernet()
        losses = step(supernet, make_samples(24), Passes(2), bfloat16=bfloat16)
        found.append(losses)
        assert all(gradient.dtype == torch.float32 for gradient in gradients(supernet).values())
    assert found[0] != found[1]
    assert found[1].largest == pytest.approx(found[0].largest, rel=0.05)  # 8 bits of significand


def test_settings_out_of_range_are_refused():
    with pytest.raises(RecipeError, match=r"distillation is 1\.5"):
        Passes(distillation=1.5)
    with pytest.raises(RecipeError, match="random is -1"):
        Passes(random=-1)
