import itertools

import pytest
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks import Adaptive, LearnedWidths
from qcompile.frontend.direct import fit_all


def layers(seed=0):
    """Two layers alike but for their spread, and one whose weights have two values only."""
    generator = torch.Generator().manual_seed(seed)
    narrow, wide = torch.randn(8, 20, generator=generator), 5 * torch.randn(8, 20, generator=generator)
    two = torch.randint(2, (8, 40), generator=generator) * 2.0 - 1
    return {"narrow": narrow, "wide": wide, "two": two}


def size_bytes(weight):
    return -(-weight.indices.numel() * weight.bits // 8) + 4 * weight.codebook.numel()


def squared_error(weights, fitted):
    return sum(float((weights[name] - each.decode()).double().square().sum()) for name, each in fitted.items())


@pytest.mark.parametrize("budget", [120, 150, 200, 260, 400])
def test_the_widths_fit_the_budget_and_beat_every_uniform_width_that_does(budget):
    weights = layers()
    fitted = LearnedWidths(budget, (1, 2, 3, 4)).fit_jointly(weights)
    assert sum(map(size_bytes, fitted.values())) <= budget
    uniform = [{name: Adaptive(2**bits).fit(weight) for name, weight in weights.items()} for bits in (1, 2, 3, 4)]
    affordable = [each for each in uniform if sum(map(size_bytes, each.values())) <= budget]
    assert affordable
    assert squared_error(weights, fitted) <= min(squared_error(weights, each) for each in affordable)


def test_the_choice_is_the_best_of_all_where_a_price_reaches_it():
    weights, widths = layers(), (1, 2, 3)
    choices = [
        {name: Adaptive(2**bits).fit(weights[name]) for name, bits in zip(weights, combination, strict=True)}
        for combination in itertools.product(widths, repeat=3)
    ]
    wanted = min(choices, key=lambda each: squared_error(weights, each) + 0.5 * sum(map(size_bytes, each.values())))
    fitted = LearnedWidths(sum(map(size_bytes, wanted.values())), widths).fit_jointly(weights)
    assert {name: each.bits for name, each in fitted.items()} == {name: each.bits for name, each in wanted.items()}


def test_a_layer_of_two_values_gets_one_bit_and_a_wider_spread_more_bits():
    fitted = LearnedWidths(190, (1, 2, 3, 4)).fit_jointly(layers())
    assert fitted["two"].bits == 1
    assert fitted["wide"].bits > fitted["narrow"].bits


def test_layers_of_one_rule_share_the_budget_in_a_c_step():
    weights, rule = layers(), LearnedWidths(190, (1, 2, 3, 4))
    together = rule.fit_jointly(weights)
    fitted = fit_all(weights, dict.fromkeys(weights, rule))
    assert all(torch.equal(fitted[name].decode(), together[name].decode()) for name in weights)


def test_a_later_fit_may_choose_other_widths():
    rule, weights = LearnedWidths(190, (1, 2, 3, 4)), layers()
    before = rule.fit_jointly(weights)
    swapped = {"narrow": weights["wide"], "wide": weights["narrow"], "two": weights["two"]}
    after = rule.fit_jointly(swapped, before)
    assert (after["narrow"].bits, after["wide"].bits) == (before["wide"].bits, before["narrow"].bits)


@pytest.mark.parametrize("widths", [(), (0, 1), (1, 9), (2, 2)])
def test_widths_out_of_range_are_refused(widths):
    with pytest.raises(RecipeError, match="wanted different ones from 1 to 8"):
        LearnedWidths(100, widths)


def test_a_budget_that_nothing_meets_is_refused_with_the_layers():
    with pytest.raises(
        RecipeError, match=r"narrow, wide, two: weight_bytes is too low: .* takes 104 bytes, .* 50; allow"
    ):
        fit_all(layers(), dict.fromkeys(layers(), LearnedWidths(50, (1, 2))))
    with pytest.raises(RecipeError, match="weight_bytes is 0"):
        LearnedWidths(0, (1, 2))
