"""A float network in which the weight of any layer can be exchanged for a run, without making another model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile import runtime
from qcompile.allocation.samples import Batch
from qcompile.errors import QCompileError
from qcompile.passes._match import constant
from qcompile.passes._operands import drop_unused, graph_of, initializer, register
from qcompile.rounding.candidates import Candidate, find_candidates
from qcompile.rounding.network import add_to_output

Floats = npt.NDArray[np.float32]
Outputs = list[npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Exchanged:
    """What a layer has for a run: ``weight`` shaped as in the model, ``shift`` [n, 1...] added to its output."""

    weight: Floats
    shift: Floats


@dataclass(frozen=True)
class _Names:
    """What the initializers of a layer are called, which a run may override."""

    weight: str
    shift: str


class ExchangeableNetwork:
    """``model``, a float network, run with other weights: one session, however many layers and widths are tried.

    ``model`` itself is not changed. Each weight is held twice: there and here.
    """

    def __init__(self, model: ir.Model) -> None:
        copy = model.clone()
        self._names = {candidate.name: _make_exchangeable(candidate) for candidate in find_candidates(copy)}
        self._session = runtime.session(ir.serde.serialize_model(copy).SerializeToString(), library=False)

    def run(self, batch: Batch, exchanged: Mapping[str, Exchanged] | None = None) -> Outputs:
        """The outputs for ``batch``, with the layers in ``exchanged`` as it says.

        Raises QCompileError if the model does not run on the batch.
        """
        feeds = dict(batch)
        for name, each in (exchanged or {}).items():
            feeds |= {self._names[name].weight: each.weight, self._names[name].shift: each.shift}
        try:
            return [np.asarray(output) for output in self._session.run(None, feeds)]
        except Exception as error:  # onnxruntime's errors share no public base class
            raise QCompileError(f"the model does not run on a batch of samples: {error}") from error


def _make_exchangeable(candidate: Candidate) -> _Names:
    """Gives the layer a weight and a shift that are initializers and inputs of the graph as well."""
    node, graph = candidate.node, graph_of(candidate.node)
    array, old = constant(node.inputs[1]), node.inputs[1]
    assert array is not None
    weight = initializer(array)
    node.replace_input_with(1, weight)
    drop_unused(old)
    register(graph, weight, f"{candidate.name}.weight")
    shift = initializer(np.zeros(_shift_shape(node, array.shape), np.float32))
    add_to_output(node, shift, f"{candidate.name}.shift")
    graph.inputs.extend((weight, shift))
    return _Names(str(weight.name), str(shift.name))


def _shift_shape(node: ir.Node, weight_shape: tuple[int, ...]) -> tuple[int, ...]:
    if node.op_type == "Conv":
        return (weight_shape[0], *[1] * (len(weight_shape) - 2))
    return (weight_shape[0] if node.attributes.get_int("transB", 0) else weight_shape[1],)
