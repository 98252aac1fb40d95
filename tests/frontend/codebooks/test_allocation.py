import itertools
import random

import pytest

from qcompile.frontend.codebooks.allocation import Option, choose_options


def random_layers(seed, count=4):
    """Layers whose distortion falls with the bits, by random amounts."""
    draw = random.Random(seed)
    layers = []
    for _ in range(count):
        size, distortion, options = draw.randint(1, 50), draw.uniform(1, 100), []
        for bits in (1, 2, 3, 4):
            options.append(Option(bits, size * bits + draw.randint(0, 5), distortion))
            distortion *= draw.uniform(0.05, 0.95)
        layers.append(options)
    return layers


def totals(chosen):
    return sum(option.size_bytes for option in chosen), sum(option.distortion for option in chosen)


def best_within(layers, budget):
    return min(totals(choice)[1] for choice in itertools.product(*layers) if totals(choice)[0] <= budget)


@pytest.mark.parametrize("seed", range(40))
def test_the_budget_holds_and_no_more_than_one_step_of_a_layer_is_lost_to_the_optimum(seed):
    layers = random_layers(seed)
    smallest = sum(min(option.size_bytes for option in options) for options in layers)
    largest = sum(max(option.size_bytes for option in options) for options in layers)
    for budget in (smallest, smallest + 7, (smallest + largest) // 2, largest - 1, largest, 2 * largest):
        size, distortion = totals(choose_options(layers, budget))
        best = best_within(layers, budget)
        # Between two prices at most one layer changes (the draws have no ties), by one step of its convex hull.
        step = max(options[0].distortion - options[-1].distortion for options in layers)
        assert size <= budget
        assert best <= distortion <= best + step


@pytest.mark.parametrize("seed", range(40))
def test_for_its_own_size_a_choice_at_a_price_is_optimal(seed):
    layers = random_layers(seed)
    for price in (0.0, 0.01, 0.1, 0.5, 2.0, 10.0):
        priced = [min(options, key=lambda option: option.distortion + price * option.size_bytes) for options in layers]
        size, distortion = totals(priced)
        assert totals(choose_options(layers, size))[1] == pytest.approx(distortion, rel=1e-12)


def test_a_rest_that_no_price_can_spend_is_spent():
    # The middle option lies above the line between the others: no price chooses it.
    layer = [Option(1, 10, 100.0), Option(2, 20, 90.0), Option(3, 30, 0.0)]
    assert choose_options([layer], 25) == [layer[1]]
    assert choose_options([layer], 30) == [layer[2]]


def test_more_bytes_that_save_nothing_are_not_spent():
    layer = [Option(1, 10, 0.0), Option(2, 20, 0.0)]
    assert choose_options([layer], 100) == [layer[0]]


def test_a_budget_that_nothing_meets_says_what_would():
    with pytest.raises(ValueError, match="takes 20 bytes, the budget is 19"):
        choose_options([[Option(1, 10, 1.0)], [Option(1, 10, 1.0), Option(2, 20, 0.0)]], 19)
