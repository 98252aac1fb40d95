import pytest
from mpq_targets import amount, cost_at, plans_of_one_cost, plans_of_spread_costs, targets

from qcompile.search import LayerCost, SearchSpace, largest_uniform, uniform_plan

WIDTHS = (2, 3, 4, 5, 6, 8)


@pytest.fixture(scope="module")
def space():
    ends = [LayerCost(name, (16, 16), 1, 4, (8,), (8,)) for name in ("first", "last")]
    middle = [LayerCost(f"layer{place}", (16, 16, 3, 3), 1, 16, WIDTHS, WIDTHS) for place in range(4)]
    return SearchSpace((ends[0], *middle, ends[1]))


def test_whole_levels_cost_what_uniform_plans_cost_and_halves_lie_in_the_middle(space):
    for kind in ("bitops", "bytes"):
        two, three = (amount(space.costs(uniform_plan(space, bits)), kind) for bits in (2, 3))
        assert cost_at(space, kind, 3.0) == three
        assert cost_at(space, kind, 2.5) == (two + three) / 2


def test_a_target_for_each_kind_and_level_whose_uniform_plan_is_not_above_it(space):
    found = {target.name: largest_uniform(space, target.budget) for target in targets(space)}
    wanted = {"2.5": 2, "3": 3, "3.5": 3, "4": 4}
    assert found == {
        f"{kind}-{level}": uniform_plan(space, bits) for kind in ("bitops", "bytes") for level, bits in wanted.items()
    }


def test_plans_of_spread_costs_go_from_two_to_six_bits_and_are_the_same_each_time(space):
    plans = plans_of_spread_costs(space, 12)
    costs = [space.costs(plan).bit_operations for plan in plans]
    low, high = cost_at(space, "bitops", 2), cost_at(space, "bitops", 6)
    assert len({tuple(plan.items()) for plan in plans}) == len(plans) > 8  # near 2 bits there are few plans
    assert all(low <= cost <= high for cost in costs)
    assert costs == sorted(costs)
    assert costs[-1] > 2 * costs[0]
    assert plans == plans_of_spread_costs(space, 12)


def test_plans_of_one_cost_fill_it(space):
    limit = cost_at(space, "bitops", 3)
    plans = plans_of_one_cost(space, 10)
    assert len({tuple(plan.items()) for plan in plans}) == 10
    # No candidate more fits: what is left is less than the step of a layer from 6 to 8 bits at 8 of the other kind.
    most = max(layer.multiply_adds for layer in space.layers) * 2 * 8
    assert all(limit - most < space.costs(plan).bit_operations <= limit for plan in plans)
