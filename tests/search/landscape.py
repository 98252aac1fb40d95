"""Synthetic losses over plans, of which the best plan can be found by trying all, or exactly by dynamic programming."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from qcompile.search.costs import LayerCost
from qcompile.search.space import SearchSpace

WIDTHS = (2, 3, 4, 5, 6, 8)
STAGES = ((16, 1024, 7), (32, 256, 7), (64, 64, 6))  # channels, positions, layers


def resnet_like(widths=WIDTHS):
    """20 convolutions as ResNet-20 has them for 32 pixels, weights and activations of all ``widths``."""
    layers, before = [], 16
    for channels, positions, count in STAGES:
        for _ in range(count):
            layers.append(LayerCost(f"conv{len(layers)}", (channels, before, 3, 3), 1, positions, widths, widths))
            before = channels
    return SearchSpace(tuple(layers))


def small_space(layers=4, widths=(2, 3, 4), seed=0):
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 40, (layers, 3)).tolist()
    return SearchSpace(
        tuple(LayerCost(f"layer{i}", (n, k), 1, positions, widths, widths) for i, (n, k, positions) in enumerate(sizes))
    )


@dataclass
class Landscape:
    """A loss: a part for each layer, and one for each pair of layers that follow each other.

    Parts fall fourfold with each bit, as the square of rounding errors does, but for a random factor; the part of a
    pair is ``coupling``, times a number between -1 and 1, times the geometric mean of its layers' parts.
    """

    space: SearchSpace
    seed: int
    coupling: float = 0.0
    base: float = 0.3

    def __post_init__(self):
        random = np.random.default_rng(self.seed)
        self.parts, self.pairs = {}, {}
        for layer in self.space.layers:
            scales = np.exp(random.normal(-1.0, 1.0, 2))
            wiggle = np.exp(random.normal(0.0, 0.2, (2, 9)))
            for bits in layer.options():
                weight = scales[0] * 4.0**-bits.weight * wiggle[0, bits.weight]
                activation = scales[1] * 4.0**-bits.activation * wiggle[1, bits.activation]
                both = self.coupling * math.sqrt(weight * activation)
                self.parts[layer.name, bits] = float(weight + activation + 0.2 * both)
        self.signs = random.uniform(-1, 1, len(self.space.layers)).tolist()

    def pair(self, place, first, second):
        """What layers ``place`` and ``place + 1`` add together at these bits."""
        names = [self.space.layers[place + i].name for i in range(2)]
        both = self.parts[names[0], first] * self.parts[names[1], second]
        return self.coupling * self.signs[place] * math.sqrt(both)

    def __call__(self, plan):
        bits = list(plan.values())
        pairs = (
            sum(self.pair(place, *bits[place : place + 2]) for place in range(len(bits) - 1)) if self.coupling else 0
        )
        return self.base + sum(self.parts[item] for item in plan.items()) + pairs


def all_plans(space):
    names = [layer.name for layer in space.layers]
    for options in itertools.product(*(layer.options() for layer in space.layers)):
        yield dict(zip(names, options, strict=True))


def best_of_all(space, score, budget):
    """The least loss of a plan that meets the budget, by trying all; None if none does."""
    return min((score(plan) for plan in all_plans(space) if budget.is_met(space.costs(plan))), default=None)


def best_of_chain(landscape, cost_of, limit):
    """The least loss with ``cost_of(layer, bits)``, whole numbers, up to ``limit`` in all: exact, layer by layer."""
    layers = landscape.space.layers
    costs = [[cost_of(layer, bits) for bits in layer.options()] for layer in layers]
    unit = math.gcd(*(cost - min(row) for row in costs for cost in row))
    cells = (limit - sum(min(row) for row in costs)) // unit
    best = None
    for place, layer in enumerate(layers):
        options, least = layer.options(), min(costs[place])
        after = np.full((len(options), cells + 1), np.inf)
        for i, bits in enumerate(options):
            steps = (costs[place][i] - least) // unit
            if steps > cells:
                continue
            before = np.zeros(cells + 1)
            if best is not None:
                pairs = [landscape.pair(place - 1, former, bits) for former in layers[place - 1].options()]
                before = (best + np.array(pairs)[:, None]).min(axis=0)
            after[i, steps:] = before[: cells + 1 - steps] + landscape.parts[layer.name, bits]
        best = after
    return landscape.base + float(best.min())
