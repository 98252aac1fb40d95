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
    """The ``chosen`` plan as its file has it, and the ``uniform`` one of nearest cost.

    ``prefers_uniform``: that one keeps the target too, and changes outputs less on the samples held out.
    """

    chosen: PlanTrial
    uniform: PlanTrial
    prefers_uniform: bool = False

    def as_text(self) -> str:
        """A line for each."""
        width = next(iter(self.uniform.plan.values())).weight
        lines = [
            f"{name}: {trial.packed_bytes:,} bytes of packed layers in the file, {trial.agreement.as_text()}"
            for name, trial in (("this plan", self.chosen), (f"uniform {width} bits", self.uniform))
        ]
        if self.prefers_uniform:
            lines.append(f"uniform {width} bits keep the target and change less: they are the plan")
        return "\n".join(lines)


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
    return Verification(chosen, uniform, _prefers(result, chosen, uniform))


def _prefers(result: AllocationResult, chosen: PlanTrial, uniform: PlanTrial) -> bool:
    """Whether ``uniform`` serves the target better: sums of what layers do alone may mislead where layers are few."""
    if isinstance(result.target, Drop) or not _is_allowed(result, uniform):
        return False
    return result.target.is_met(result.space.costs(uniform.plan)) and uniform.agreement.change < chosen.agreement.change


def _is_allowed(result: AllocationResult, trial: PlanTrial) -> bool:
    """Whether each layer has one of its candidates: some may be fixed."""
    return all(trial.plan[layer.name] in layer.options() for layer in result.space.layers)
