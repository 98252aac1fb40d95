"""Which costs plans are searched for and drawn at: those of uniform bits, and halfway between."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from qcompile.bit_plan import LayerBits
from qcompile.search import Budget, Costs, SearchSpace, random_plan, uniform_plan

LEVELS = (2.5, 3.0, 3.5, 4.0)
KINDS = ("bitops", "bytes")
SPREAD = (2, 6)  # uniform bits between whose costs plans of different costs lie
DRAWS = 20  # for each plan that is wanted: a small network has few


@dataclass(frozen=True)
class Target:
    """A budget: what uniform ``level`` bits cost, of one ``kind``."""

    kind: str
    level: float
    budget: Budget

    @property
    def name(self) -> str:
        """As files are called."""
        return f"{self.kind}-{self.level:g}"


def targets(space: SearchSpace) -> list[Target]:
    """A target for each kind of cost and each of LEVELS."""
    return [Target(kind, level, cost_budget(kind, cost_at(space, kind, level))) for kind in KINDS for level in LEVELS]


def cost_at(space: SearchSpace, kind: str, level: float) -> float:
    """What uniform ``level`` bits cost; between two whole numbers on the line from one's cost to the other's."""
    low = math.floor(level)
    below, above = (amount(space.costs(uniform_plan(space, bits)), kind) for bits in (low, low + 1))
    return below + (level - low) * (above - below)


def amount(costs: Costs, kind: str) -> float:
    """The cost of one kind."""
    return costs.bit_operations if kind == "bitops" else costs.packed_bytes


def cost_budget(kind: str, limit: float) -> Budget:
    """The budget that limits one kind of cost."""
    return Budget(bit_operations=limit) if kind == "bitops" else Budget(packed_bytes=limit)


def plans_of_spread_costs(space: SearchSpace, count: int, seed: int = 0) -> list[dict[str, LayerBits]]:
    """``count`` random plans, their bit operations evenly from those of uniform 2 to those of uniform 6 bits.

    Fewer where there are not so many different ones.
    """
    low, high = (cost_at(space, "bitops", bits) for bits in SPREAD)
    return _draw(space, (Budget(bit_operations=cost) for cost in np.linspace(low, high, count).tolist()), seed)


def plans_of_one_cost(space: SearchSpace, count: int, level: float = 3.0, seed: int = 0) -> list[dict[str, LayerBits]]:
    """``count`` random plans that just fit into the bit operations of uniform ``level`` bits; fewer as above."""
    return _draw(space, [Budget(bit_operations=cost_at(space, "bitops", level))] * count, seed)


def _draw(space: SearchSpace, budgets: Iterable[Budget], seed: int) -> list[dict[str, LayerBits]]:
    random = np.random.default_rng(seed)
    plans: dict[tuple[tuple[str, LayerBits], ...], dict[str, LayerBits]] = {}
    for budget in budgets:
        for _ in range(DRAWS):
            plan = random_plan(space, budget, random)
            if tuple(plan.items()) not in plans:
                plans[tuple(plan.items())] = plan
                break
    return list(plans.values())
