"""How much the network's outputs change when one layer alone is rounded: for each layer and width, without labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from qcompile.allocation.distance import output_change
from qcompile.allocation.exchanging import ExchangeableNetwork, Exchanged
from qcompile.allocation.samples import Batch
from qcompile.allocation.trying_bits import try_bits
from qcompile.rounding import Rounding, SecondOrder
from qcompile.rounding.candidates import Candidate, find_candidates, in_parts
from qcompile.rounding.moments import Moments
from qcompile.rounding.network import moments_of

Change = Callable[[str, Exchanged], float]


@dataclass(frozen=True)
class Sensitivity:
    """What rounding layer ``name`` alone does, by bits.

    ``errors`` are those of the layer's own output, ``changes`` those of the network's outputs: of ``measured`` bits as
    a run showed, of others as the errors say.
    """

    name: str
    errors: Mapping[int, float]
    changes: Mapping[int, float]
    measured: tuple[int, ...]


@dataclass(frozen=True)
class Measuring:
    """How sensitivities are measured: each layer at ``widths`` by running the network, all where None.

    ``progress`` is told of each layer that is done.
    """

    widths: tuple[int, ...] | None = (2, 4)
    progress: Callable[[Sensitivity], None] | None = None


def measure_sensitivities(
    model: ir.Model,
    candidates: Mapping[str, Sequence[int]],
    rounding: Rounding,
    batches: Sequence[Batch],
    few: Sequence[Batch],
    measuring: Measuring = Measuring(),
) -> list[Sensitivity]:
    """The sensitivity of each layer of ``model``, float, to each of its ``candidates``, in the order of the graph.

    Layers are rounded by what they read on ``batches``; the network runs on the ``few``. Moments of a part of the
    layers are held at a time. Raises QCompileError if the model does not run.
    """
    network = ExchangeableNetwork(model)
    wanted = [network.run(batch) for batch in few]

    def change(name: str, exchanged: Exchanged) -> float:
        return output_change(wanted, [network.run(batch, {name: exchanged}) for batch in few])

    before, found = ir.serde.serialize_model(model), []
    for part in in_parts(find_candidates(model), 1):
        pairs = moments_of(part, before, before, batches) if isinstance(rounding, SecondOrder) else _without(part)
        for each, moments in pairs:
            found.append(_sensitivity(each, moments, candidates[each.name], rounding, measuring.widths, change))
            if measuring.progress is not None:
                measuring.progress(found[-1])
    return found


def _sensitivity(
    candidate: Candidate,
    moments: Moments | None,
    widths: Sequence[int],
    rounding: Rounding,
    measured: Sequence[int] | None,
    change: Change,
) -> Sensitivity:
    errors, changes = {}, {}
    for bits in widths:
        tried = try_bits(candidate, moments, bits, rounding)
        errors[bits] = tried.error
        if measured is None or bits in measured:
            changes[bits] = change(candidate.name, tried.exchanged)
    if not changes:  # the last one is there still
        changes[bits] = change(candidate.name, tried.exchanged)
    return Sensitivity(candidate.name, errors, fill_in(changes, errors), tuple(changes))


def fill_in(changes: Mapping[int, float], errors: Mapping[int, float]) -> dict[int, float]:
    """``changes`` of some bits for all that ``errors`` has: that of the nearest bits, in the ratio of the errors.

    For small errors the outputs' squared change grows as that of the layer; of two as near the larger bits are taken.
    """
    found = {}
    for bits, error in errors.items():
        nearest = min(changes, key=lambda known: (abs(known - bits), -known))
        ratio = error / errors[nearest] if errors[nearest] else 1.0
        found[bits] = changes[bits] if bits in changes else changes[nearest] * ratio
    return found


def _without(candidates: Sequence[Candidate]) -> list[tuple[Candidate, Moments | None]]:
    return [(candidate, None) for candidate in candidates]
