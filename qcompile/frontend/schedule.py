"""How the penalty of the LC algorithm grows, and when it stops."""

from dataclasses import dataclass
from typing import Literal

from qcompile.errors import RecipeError

PenaltyForm = Literal["augmented_lagrangian", "quadratic"]


@dataclass(frozen=True)
class Schedule:
    """The penalty mu of iteration j is first_penalty * growth**j.

    Too fast a growth shows as weights that stay where direct compression put them; then lower ``first_penalty`` or
    ``growth``. Learning stops after ``iterations``, or once ||w - decode|| / ||w|| falls below ``tolerance``.
    Without multipliers (``quadratic``) the weights meet the codebooks only as mu grows without bound.

    Raises RecipeError for a value out of range.
    """

    first_penalty: float = 9e-5
    growth: float = 1.1
    iterations: int = 40
    tolerance: float = 1e-4
    penalty_form: PenaltyForm = "augmented_lagrangian"

    def __post_init__(self) -> None:
        if not 0 < self.first_penalty < float("inf"):
            raise RecipeError(f"first_penalty is {self.first_penalty}, wanted above 0")
        if not 1 <= self.growth <= 100:
            raise RecipeError(f"growth is {self.growth}, wanted 1 to 100")
        if self.iterations < 1:
            raise RecipeError(f"iterations is {self.iterations}, wanted at least 1")
        if not 0 <= self.tolerance < 1:
            raise RecipeError(f"tolerance is {self.tolerance}, wanted 0 to below 1")
        if self.penalty_form not in ("augmented_lagrangian", "quadratic"):
            raise RecipeError(f'penalty_form is "{self.penalty_form}", wanted "augmented_lagrangian" or "quadratic"')

    def penalty(self, iteration: int) -> float:
        """The penalty of one iteration, counted from 0."""
        return self.first_penalty * self.growth**iteration

    def is_over(self, iteration: int, distance: float) -> bool:
        """Whether nothing is left to do before ``iteration``, the weights being ``distance`` away."""
        return iteration >= self.iterations or distance < self.tolerance
