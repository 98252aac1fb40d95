import pytest

from qcompile.allocation import Agreement, Drop, PlanTrial, Sensitivity
from qcompile.allocation.choosing import STEPS, nearest_uniform, plan_of_budget, plans_of_drop
from qcompile.bit_plan import LayerBits
from qcompile.search import Budget, BudgetError, LayerCost, SearchSpace

WIDTHS = (2, 4, 8)
SPACE = SearchSpace(tuple(LayerCost(name, (32, 64), 1, 1, WIDTHS, (8,)) for name in ("a", "b", "c")))
CHANGES = {"a": 1.0, "b": 0.01, "c": 0.0001}
SENSITIVITIES = [
    Sensitivity(name, {}, {bits: scale * 4.0**-bits for bits in WIDTHS}, WIDTHS) for name, scale in CHANGES.items()
]


def bits(plan):
    return [plan[name].weight for name in "abc"]


@pytest.mark.parametrize(("average", "wanted"), [(2, [2, 2, 2]), (4, [8, 2, 2]), (4.7, [8, 4, 2]), (8, [8, 8, 8])])
def test_the_bits_go_where_they_change_most(average, wanted):
    assert bits(plan_of_budget(SPACE, SENSITIVITIES, Budget(average_bits=average))) == wanted


def test_a_budget_below_the_smallest_plan_is_an_error():
    with pytest.raises(BudgetError, match=r"no plan found that meets bits=1\.5.*allow smaller candidates"):
        plan_of_budget(SPACE, SENSITIVITIES, Budget(average_bits=1.5))


def judged(needed):
    """A judge that finds a tenth of the predictions changed below ``needed`` bytes, and what it was asked."""
    asked = []

    def judge(plan):
        size = SPACE.costs(plan).packed_bytes
        asked.append(bits(plan))
        return PlanTrial(plan, size, Agreement(100, 10 if size < needed else 0, 0.0))

    return judge, asked


@pytest.mark.parametrize("wanted", [[2, 2, 2], [4, 2, 2], [8, 2, 2], [8, 4, 4], [8, 8, 8]])
def test_a_drop_gives_the_smallest_plan_that_keeps_it(wanted):
    plan = {name: LayerBits(width, 8) for name, width in zip("abc", wanted, strict=True)}
    judge, asked = judged(SPACE.costs(plan).packed_bytes)
    chosen, tried = plans_of_drop(SPACE, SENSITIVITIES, Drop(0.01), judge)
    assert bits(chosen.plan) == wanted
    assert [bits(trial.plan) for trial in tried] == asked
    assert len(asked) <= STEPS + 1
    assert len({tuple(each) for each in asked}) == len(asked)


def test_a_drop_that_no_plan_keeps_is_an_error():
    judge, asked = judged(10**9)
    with pytest.raises(BudgetError, match=r"keeps drop=1%: with the largest candidates .* 10 of 100 samples"):
        plans_of_drop(SPACE, SENSITIVITIES, Drop(0.01), judge)
    assert asked[-1] == [8, 8, 8]


@pytest.mark.parametrize(("plan", "wanted"), [([8, 2, 2], 4), ([2, 2, 4], 2), ([8, 8, 4], 8), ([4, 4, 4], 4)])
def test_the_uniform_plan_of_nearest_cost(plan, wanted):
    given = {name: LayerBits(width, 8) for name, width in zip("abc", plan, strict=True)}
    assert bits(nearest_uniform(SPACE, given, Budget(packed_bytes=1))) == [wanted] * 3
