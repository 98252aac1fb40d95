"""The scores of plans, each computed once and counted."""

import math
from collections.abc import Callable

from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.errors import QCompileError

Score = Callable[[BitPlan], float]  # a loss, smaller is better: a forward pass over a held-out batch


class Scores:
    """What each plan scored: ``score`` is called once for a plan, and its answers are shared by searches.

    A score that is not a number counts as infinite.
    """

    def __init__(self, score: Score) -> None:
        self._score = score
        self._known: dict[frozenset[tuple[str, LayerBits]], float] = {}

    @property
    def evaluations(self) -> int:
        """How many plans were scored."""
        return len(self._known)

    def knows(self, plan: BitPlan) -> bool:
        """Whether ``plan`` was scored."""
        return frozenset(plan.items()) in self._known

    def __call__(self, plan: BitPlan) -> float:
        """The score of ``plan``."""
        key = frozenset(plan.items())
        if key not in self._known:
            loss = float(self._score(dict(plan)))
            self._known[key] = math.inf if math.isnan(loss) else loss
        return self._known[key]


class Allowance:
    """Scores as far as ``limit`` new ones allow; the last of them is kept for the plan that a search returns.

    Raises QCompileError if ``limit`` is below 1.
    """

    def __init__(self, scores: Scores, limit: int) -> None:
        if limit < 1:
            raise QCompileError(f"search: {limit} evaluations, wanted at least 1")
        self.scores = scores
        self._start, self._limit = scores.evaluations, limit

    @property
    def spent(self) -> int:
        """New scores so far."""
        return self.scores.evaluations - self._start

    def affords(self, *plans: BitPlan) -> bool:
        """Whether those of ``plans`` that are not known may be scored with one evaluation left; they differ."""
        unknown = sum(not self.scores.knows(plan) for plan in plans)
        return unknown == 0 or self.spent + unknown < self._limit
