"""Chooses the bits of each layer of a float model, from sample inputs alone."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from qcompile.allocation.agreement import FloatModel
from qcompile.allocation.budgets import Drop, Target
from qcompile.allocation.choosing import plan_of_budget, plans_of_drop
from qcompile.allocation.layers import layer_costs
from qcompile.allocation.result import AllocationResult, PlanTrial
from qcompile.allocation.samples import Batch, count, first_samples, hold_out
from qcompile.allocation.sensitivity import Measuring, Sensitivity, measure_sensitivities
from qcompile.allocation.timing import measure_latencies
from qcompile.allocation.trying_plans import try_plan
from qcompile.bit_plan import BitPlan
from qcompile.calibration import read_all
from qcompile.errors import ModelError, QCompileError
from qcompile.integer_compiling import find_weights
from qcompile.integers import Integers
from qcompile.layer_choice import LayerChoice
from qcompile.loading import fixed_batch, load_graph, load_skeleton
from qcompile.passes._layer_names import check_names
from qcompile.rounding import Rounding, SecondOrder
from qcompile.rounding.candidates import find_candidates
from qcompile.search import Budget, LatencyTable, SearchSpace

WIDTHS = (2, 3, 4, 5, 6, 8)
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Choice:
    """What may be chosen, and on how many samples.

    Each layer has one of ``widths`` bits, those in ``fixed`` the ones there. ``held_out`` is the share of the samples,
    0 to 1, that only judges; sensitivities are measured on ``samples`` of the others at most. ``latencies`` are for a
    limit of time: where it is None the layers are timed on this machine. What ``layers`` leaves float is no layer of
    the plan.
    """

    widths: tuple[int, ...] = WIDTHS
    fixed: Mapping[str, int] | None = None
    held_out: float = 0.2
    samples: int = 64
    latencies: LatencyTable | None = None
    layers: LayerChoice | None = None


def allocate_bits(
    source: str | pathlib.Path,
    integers: Integers,
    target: Target,
    choice: Choice | None = None,
    tell: Tell | None = None,
) -> AllocationResult:
    """The bits of each layer of the float model ``source`` that meet ``target`` and change its outputs least.

    ``integers`` is what the model will be compiled with; its ``weight_bits`` are what is chosen here. All samples of
    its reader are held; some are kept back and judge. ``tell`` is told in words what is done. The bytes of a budget
    are those of packed layers: indices, codebooks, scales and biases.

    Raises QCompileError if the model has no layer to choose for or does not run, samples are too few, or
    ``choice.fixed`` names another layer; BudgetError if no plan meets the target.
    """
    source, choice, tell = pathlib.Path(source), choice or Choice(), tell or (lambda text: None)
    whole = fixed_batch(load_skeleton(source).proto) is not None
    seen, held_out = hold_out(read_all(integers.reader), choice.held_out, whole=whole)
    model = load_graph(source)
    find_weights(model, choice.layers)
    one = first_samples(seen, 1, whole=whole)[0]
    space = search_space(model, _with_latencies(source, choice, integers, target, one, tell), integers, one)
    few = first_samples(seen, choice.samples, whole=whole)
    sensitivities = _sensitivities(model, space, integers.rounding, seen, few, tell)
    plan, trials = _choose(source, integers, target, space, choice.layers, sensitivities, seen, held_out, tell)
    return AllocationResult(
        target, plan, space.costs(plan), tuple(sensitivities), space, seen, held_out, integers, trials, choice.layers
    )


def _with_latencies(
    source: pathlib.Path, choice: Choice, integers: Integers, target: Target, batch: Batch, tell: Tell
) -> Choice:
    """``choice`` with the times of layers, measured where ``target`` limits time and none are given."""
    limits_time = isinstance(target, Budget) and target.latency_ms is not None
    if not limits_time or choice.latencies is not None or not isinstance(integers.activation_bits, int):
        return choice
    widths = sorted({*choice.widths, *(choice.fixed or {}).values()})
    return replace(
        choice,
        latencies=measure_latencies(source, batch, widths, integers.activation_bits, layers=choice.layers, tell=tell),
    )


def search_space(model: ir.Model, choice: Choice, integers: Integers, batch: Batch) -> SearchSpace:
    """What may be chosen for ``model``, whose float weights are found, and what it costs."""
    names = [each.name for each in find_candidates(model)]
    if not names:
        raise ModelError("the model has no layer with a float weight: there are no bits to choose")
    if not isinstance(integers.activation_bits, int):
        raise QCompileError("activation bits by tensor are not for choosing bits of layers: give one number")
    check_names(choice.fixed or {}, names)
    widths = {name: (choice.fixed or {}).get(name) for name in names}
    options = {name: choice.widths if bits is None else (bits,) for name, bits in widths.items()}
    codebooks = isinstance(integers.rounding, SecondOrder) and integers.rounding.values == "codebook"
    layers = layer_costs(model, options, integers.activation_bits, batch, codebooks=codebooks)
    return SearchSpace(layers, choice.latencies)


def _sensitivities(
    model: ir.Model, space: SearchSpace, rounding: Rounding, seen: Sequence[Batch], few: Sequence[Batch], tell: Tell
) -> list[Sensitivity]:
    tell(f"{len(space.layers)} layers, each rounded alone: outputs on {count(few)} samples")
    widths = {layer.name: layer.weight for layer in space.layers}

    def progress(found: Sensitivity) -> None:
        tell(f"{found.name}: outputs change by " + ", ".join(_change(found, bits) for bits in found.measured))

    return measure_sensitivities(model, widths, rounding, seen, few, Measuring(progress=progress))


def _change(found: Sensitivity, bits: int) -> str:
    return f"{100 * found.changes[bits]:.2g} % at {bits} bits"


def _choose(
    source: pathlib.Path,
    integers: Integers,
    target: Target,
    space: SearchSpace,
    layers: LayerChoice | None,
    sensitivities: Sequence[Sensitivity],
    seen: tuple[Batch, ...],
    held_out: tuple[Batch, ...],
    tell: Tell,
) -> tuple[BitPlan, tuple[PlanTrial, ...]]:
    if not isinstance(target, Drop):
        return plan_of_budget(space, sensitivities, target), ()
    model = FloatModel(source, held_out)
    if not model.predicts:
        raise QCompileError(f"{target.as_text()} compares predictions: the first output must be scores [n, classes]")

    def try_one(plan: BitPlan) -> PlanTrial:
        trial = try_plan(source, integers, seen, model, plan, layers)
        tell(f"{trial.packed_bytes:,} bytes of packed layers: {trial.agreement.as_text()}")
        return trial

    chosen, trials = plans_of_drop(space, sensitivities, target, try_one)
    return chosen.plan, trials
