from collections import Counter

import pytest
import torch

from qcompile.bit_plan import LayerBits
from qcompile.errors import RecipeError
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.sampling import EVEN, SmallestOdds, draw_generator, draw_plan

DRAWABLE = {"a": Candidates((2, 3, 4), (4, 8)), "b": Candidates((8,), (8,)), "c": Candidates((3, 8), (2, 3, 4, 6))}
DRAWS = 4000


def draw(odds=EVEN, seed=0, count=DRAWS, drawable=DRAWABLE, how="even"):
    generator = torch.Generator().manual_seed(seed)
    return [draw_plan(drawable, generator, odds, how) for _ in range(count)]


def assert_shares(widths, wanted):
    counts = Counter(widths)
    assert counts.keys() == {width for width, share in wanted.items() if share}
    for width, share in wanted.items():
        # Five standard deviations of a binomial count.
        assert abs(counts[width] - share * DRAWS) <= 5 * (share * (1 - share) * DRAWS) ** 0.5, width


def test_every_width_is_drawn_as_often_as_the_others():
    plans = draw()
    assert_shares([plan["a"].weight for plan in plans], {2: 1 / 3, 3: 1 / 3, 4: 1 / 3})
    assert_shares([plan["c"].activation for plan in plans], {2: 0.25, 3: 0.25, 4: 0.25, 6: 0.25})
    assert {plan["b"] for plan in plans} == {LayerBits(8, 8)}
    assert all(list(plan) == ["a", "b", "c"] for plan in plans)


def test_weights_and_activations_of_all_layers_are_drawn_independently():
    plans = draw()
    pairs = {(w, a): 1 / 6 for w in (2, 3, 4) for a in (4, 8)}
    assert_shares([(plan["a"].weight, plan["a"].activation) for plan in plans], pairs)
    assert_shares(
        [(plan["a"].weight, plan["c"].weight) for plan in plans], {(w, c): 1 / 6 for w in (2, 3, 4) for c in (3, 8)}
    )


def test_the_smallest_width_is_drawn_by_its_odds():
    plans = draw(SmallestOdds(weight=0.5, activation=0.0))
    assert_shares([plan["a"].weight for plan in plans], {2: 0.2, 3: 0.4, 4: 0.4})
    assert_shares([plan["c"].activation for plan in plans], {2: 0, 3: 1 / 3, 4: 1 / 3, 6: 1 / 3})
    assert {plan["b"] for plan in plans} == {LayerBits(8, 8)}, "a width without alternative"


def test_ceilings_draw_the_widths_of_a_plan_from_a_lowest_part():
    plans = draw(how="ceilings")
    # A third of the plans have the ceiling 2, a third 3, a third 4; below it all are alike.
    assert_shares([plan["a"].weight for plan in plans], {2: 11 / 18, 3: 5 / 18, 4: 2 / 18})
    assert_shares([plan["a"].activation for plan in plans], {4: 3 / 4, 8: 1 / 4})
    assert {plan["b"] for plan in plans} == {LayerBits(8, 8)}


def test_with_ceilings_whole_plans_are_small_or_large():
    layers = {str(layer): Candidates((2, 3, 4, 5, 6, 8), (8,)) for layer in range(20)}
    means = {
        how: [sum(bits.weight for bits in plan.values()) / 20 for plan in draw(drawable=layers, how=how, count=600)]
        for how in ("even", "ceilings")
    }
    assert min(means["even"]) > 3
    assert [sum(mean <= most for mean in means["ceilings"]) > 60 for most in (2, 3)] == [True, True]
    assert max(means["ceilings"]) > 4.5


def test_with_ceilings_other_candidates_leave_the_rest_of_the_plan_as_it_was():
    fewer = DRAWABLE | {"a": Candidates((3, 4), (8,))}
    pairs = zip(draw(count=20, how="ceilings"), draw(count=20, drawable=fewer, how="ceilings"), strict=True)
    assert all(plan["c"] == other["c"] for plan, other in pairs)


def test_the_seed_decides_and_other_candidates_leave_the_rest_of_the_plan_as_it_was():
    assert draw(seed=1, count=20) == draw(seed=1, count=20) != draw(seed=2, count=20)
    fewer = DRAWABLE | {"a": Candidates((3, 4), (8,))}
    for plan, other in zip(draw(count=20), draw(count=20, drawable=fewer), strict=True):
        assert plan["c"] == other["c"]


def test_a_generator_of_its_own_moves_the_first_one_by_one_number():
    generator, other = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    own, its = draw_generator(generator), draw_generator(other)
    assert torch.equal(torch.rand(1000, generator=own)[:5], torch.rand(5, generator=its))
    assert torch.equal(torch.rand(5, generator=generator), torch.rand(5, generator=other))


@pytest.mark.parametrize("odds", [-0.1, 1.1, float("nan")])
def test_odds_out_of_range_are_refused(odds):
    with pytest.raises(RecipeError, match=r"activation is .*, wanted 0\.0 to 1\.0"):
        SmallestOdds(activation=odds)
