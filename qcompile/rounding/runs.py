"""How a network is run while it is rounded: a small one whole, a large one a stage at a time."""

from collections.abc import Callable, Collection, Sequence

import onnx_ir as ir

from qcompile.calibration.staged import StagedNetwork, has_subgraphs
from qcompile.rounding.collecting import Batch, See, seen_by

LARGE = 1 << 26  # bytes of constants: sessions of all of it, float and rounded, hold many times that
Runs = Callable[[Collection[ir.Node]], list[See]]


def runs_of(model: ir.Model, batches: Sequence[Batch], large: int = LARGE) -> Runs:
    """What gives, for the layers that are still to be rounded, how to look at the float network and at the rounded one.

    ``model`` is float now, and rounded in place between the calls. The float network stands alone where they are the
    same. Models of ``large`` bytes of constants and more, without subgraphs, are run a stage at a time: the same
    numbers, but for float rounding where onnxruntime would join operators of two stages.
    """
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    return _Whole(model, batches) if size < large or has_subgraphs(model) else _staged(model, batches)


class _Whole:
    """All of the network is run, the rounded one as it is by then."""

    def __init__(self, model: ir.Model, batches: Sequence[Batch]) -> None:
        self._model, self._batches = model, batches
        self._before, self._is_float = ir.serde.serialize_model(model), True

    def __call__(self, changing: Collection[ir.Node]) -> list[See]:
        found = [seen_by(self._before, self._batches)]
        if not self._is_float:
            found.append(seen_by(ir.serde.serialize_model(self._model), self._batches))
        self._is_float = False
        return found


def _staged(model: ir.Model, batches: Sequence[Batch]) -> Runs:
    before, after = StagedNetwork(model.clone(), batches), StagedNetwork(model, batches)
    return lambda changing: [before.seen, lambda names: after.seen(names, changing)]
