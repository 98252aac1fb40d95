import itertools

import numpy as np
import pytest

from qcompile.search.knapsack import cheapest_choice
from qcompile.search.prices import choose_within


def problem(seed, layers=5, options=4, limits=1):
    random = np.random.default_rng(seed)
    losses = list(random.random((layers, options)))
    costs = [list(random.integers(1, 60, (layers, options))) for _ in range(limits)]
    sums = [sum(int(row.min()) for row in rows) for rows in costs]
    return losses, costs, [least + 70 for least in sums]


def total(rows, chosen):
    return sum(row[place].item() for row, place in zip(rows, chosen, strict=True))


def best_by_trying_all(losses, costs, limits):
    choices = itertools.product(*(range(len(row)) for row in losses))
    return min(
        total(losses, chosen)
        for chosen in choices
        if all(total(rows, chosen) <= limit for rows, limit in zip(costs, limits, strict=True))
    )


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_best_of_all_choices(seed):
    losses, [costs], [limit] = problem(seed)
    chosen = cheapest_choice(losses, costs, limit)
    assert total(costs, chosen) <= limit
    # The same five numbers, added in the same order.
    assert total(losses, chosen) == best_by_trying_all(losses, [costs], [limit])


@pytest.mark.parametrize("factor", [1, 32, 1_179_648])
def test_a_common_divisor_of_costs_is_no_matter(factor):
    losses, [costs], [limit] = problem(3)
    chosen = cheapest_choice(losses, [factor * row for row in costs], factor * limit + factor - 1)
    assert chosen == cheapest_choice(losses, costs, limit)


@pytest.mark.parametrize("cells", [1, 10, 35])
def test_few_cells_keep_the_limit_and_leave_a_cell_for_each_layer_at_most(cells):
    losses, [costs], [limit] = problem(5)
    chosen = cheapest_choice(losses, costs, limit, cells)
    assert total(costs, chosen) <= limit
    cell = -(-70 // cells)
    at_most = limit - len(losses) * cell
    if at_most >= limit - 70:
        assert total(losses, chosen) <= best_by_trying_all(losses, [costs], [at_most])


def test_a_limit_below_the_cheapest_options_fits_none():
    losses, [costs], [limit] = problem(1)
    assert cheapest_choice(losses, costs, limit - 71) is None
    least = cheapest_choice(losses, costs, limit - 70)
    assert total(costs, least) == limit - 70


def test_losses_may_be_infinite():
    losses = [np.array([np.inf, 1.0]), np.array([2.0, np.inf])]
    costs = [np.array([1, 2]), np.array([1, 5])]
    assert cheapest_choice(losses, costs, 3) == [1, 0]
    assert total(costs, cheapest_choice(losses, costs, 2)) == 2


@pytest.mark.parametrize("limits", [2, 3])
def test_several_limits_are_all_kept_and_little_is_lost(limits):
    gaps = []
    for seed in range(8):
        losses, costs, bounds = problem(seed, limits=limits)
        bounds = [bound + 40 for bound in bounds]
        chosen = choose_within(losses, costs, bounds, 1000)
        if chosen is None:
            continue
        assert all(total(rows, chosen) <= bound for rows, bound in zip(costs, bounds, strict=True))
        gaps.append(total(losses, chosen) - best_by_trying_all(losses, costs, bounds))
    assert len(gaps) >= 6
    assert min(gaps) >= -1e-12  # roundings of sums of five numbers below 1, in another order
    assert np.median(gaps) <= 0.25  # of losses between 0 and 5: there is a gap of duality where options are few
