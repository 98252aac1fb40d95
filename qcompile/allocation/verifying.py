"""What a chosen plan came to, beside the uniform plan that costs about as much."""

import pathlib
from dataclasses import dataclass

from qcompile.allocation.agreement import FloatModel
from qcompile.allocation.budgets import Drop
from qcompile.allocation.choosing import nearest_uniform
from qcompile.allocation.result import AllocationResult, PlanTrial
from qcompile.allocation.trying_plans import judge, try_plan
from qcompile.search import Budget


@dataclass(frozen=True)
class Verification:
    """The ``chosen`` plan as its file has it, and the ``uniform`` one of nearest cost."""

    chosen: PlanTrial
    uniform: PlanTrial

    def as_text(self) -> str:
        """A line for each."""
        width = next(iter(self.uniform.plan.values())).weight
        return "\n".join(
            f"{name}: {trial.packed_bytes:,} bytes of packed layers in the file, {trial.agreement.as_text()}"
            for name, trial in (("this plan", self.chosen), (f"uniform {width} bits", self.uniform))
        )


def verify_plan(source: str | pathlib.Path, packed: str | pathlib.Path, result: AllocationResult) -> Verification:
    """How far ``packed``, compiled of ``source`` at the plan of ``result``, gives the same on the samples held out.

    Compiles the uniform plan of nearest cost as well. Raises QCompileError if a model does not run.
    """
    source, packed = pathlib.Path(source), pathlib.Path(packed)
    model = FloatModel(source, result.held_out)
    chosen = judge(packed, model, result.plan)
    limits = Budget(packed_bytes=result.costs.packed_bytes) if isinstance(result.target, Drop) else result.target
    plan = nearest_uniform(result.space, result.plan, limits)
    if plan == result.plan:
        return Verification(chosen, chosen)
    uniform = try_plan(source, result.template, result.seen, model, plan, result.layers)
    return Verification(chosen, uniform)
