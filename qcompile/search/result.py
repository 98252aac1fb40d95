"""What a search found, and how it got there."""

from collections.abc import Mapping
from dataclasses import dataclass

from qcompile.bit_plan import LayerBits
from qcompile.errors import QCompileError
from qcompile.search.costs import Costs


class BudgetError(QCompileError):
    """No plan meets the budget; the message tells the least that one costs."""


@dataclass(frozen=True)
class Step:
    """The layers that a step changed, with their bits behind it; then what the plan scored and cost.

    ``loss`` is None where no evaluation was left for it. ``evaluations`` counts all up to here.
    """

    changed: Mapping[str, LayerBits]
    loss: float | None
    costs: Costs
    evaluations: int


@dataclass(frozen=True)
class SearchResult:
    """A plan that meets the budget, its score and costs, and the steps from the start to it.

    ``evaluations`` are the plans that were scored anew for it.
    """

    plan: Mapping[str, LayerBits]
    loss: float
    costs: Costs
    evaluations: int
    steps: tuple[Step, ...] = ()
