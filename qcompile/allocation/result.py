"""The bits that were chosen, what they cost, and why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from qcompile.allocation.agreement import Agreement
from qcompile.allocation.budgets import Drop, Target
from qcompile.allocation.samples import Batch, count
from qcompile.allocation.sensitivity import Sensitivity
from qcompile.bit_plan import BitPlan
from qcompile.calibration import BatchReader
from qcompile.integers import Integers
from qcompile.layer_choice import LayerChoice
from qcompile.search import Costs, SearchSpace


@dataclass(frozen=True)
class PlanTrial:
    """A plan that was compiled and run on the samples held out: ``packed_bytes`` are those of its layers."""

    plan: BitPlan
    packed_bytes: int
    agreement: Agreement


@dataclass(frozen=True)
class AllocationResult:
    """The bits of each layer, ``costs`` of all in ``space``, and what each layer's rounding does.

    ``trials`` are the plans that were compiled to choose this one; none where a budget alone chose. ``seen`` are the
    samples that rounding may see, ``held_out`` those that judge; ``template`` is what compiles but for its bits.
    What ``layers`` leaves float is no layer of the plan.
    """

    target: Target
    plan: BitPlan
    costs: Costs
    sensitivities: tuple[Sensitivity, ...]
    space: SearchSpace
    seen: tuple[Batch, ...]
    held_out: tuple[Batch, ...]
    template: Integers
    trials: tuple[PlanTrial, ...] = ()
    layers: LayerChoice | None = None

    def integers(self, plan: BitPlan | None = None) -> Integers:
        """What compiles the model at the bits of ``plan``, this one if None, with the samples that may be seen."""
        return with_plan(self.template, self.seen, plan or self.plan)

    def with_plan(self, plan: BitPlan) -> "AllocationResult":
        """The same with another plan, of the same layers."""
        return replace(self, plan=plan, costs=self.space.costs(plan))

    def notes(self) -> dict[str, Any]:
        """What a plan's file tells a person: the target, costs, samples and sensitivities."""
        costs = asdict(self.costs) | {"average_bits": self.costs.average_bits}
        tried = [
            {"packed_bytes": each.packed_bytes, "predicted_otherwise": each.agreement.other} for each in self.trials
        ]
        changes = {
            each.name: {str(bits): change for bits, change in each.changes.items()} for each in self.sensitivities
        }
        return {
            "target": self.target.as_text(),
            "costs": costs,
            "samples_seen": count(self.seen),
            "samples_held_out": count(self.held_out),
            "tried": tried,
            "change_of_outputs_by_bits": changes,
        }

    def as_text(self) -> str:
        """What was chosen, in a line; with a drop what the choice rests on, in another."""
        time_ms = self.costs.latency_ms
        lines = [
            f"plan for {self.target.as_text()}: {self.costs.average_bits:.2f} bits a weight, "
            f"{self.costs.packed_bytes:,} bytes of packed layers"
            + ("" if time_ms is None else f", {time_ms:.3g} ms by the times of its layers")
        ]
        if isinstance(self.target, Drop):
            samples = count(self.held_out)
            lines.append(
                f"the smallest of {len(self.trials)} plans that were tried on {samples} samples held out: one is "
                f"{100 / samples:.2g} %"
            )
        return "\n".join(lines)


def with_plan(template: Integers, seen: tuple[Batch, ...], plan: BitPlan) -> Integers:
    """``template`` with the samples ``seen`` and the bits of weights of ``plan``."""
    bits: Mapping[str, int] = {name: each.weight for name, each in plan.items()}
    return replace(template, reader=BatchReader(dict(batch) for batch in seen), weight_bits=bits)
