"""What the layers of a float network cost in a packed file of integers, at each of their widths."""

import pathlib
from collections.abc import Mapping, Sequence

import onnx_ir as ir

from qcompile.allocation.samples import Batch
from qcompile.bit_plan import MOST_BITS
from qcompile.calibration.collecting import observer
from qcompile.integer_compiling import find_weights
from qcompile.layer_choice import LayerChoice
from qcompile.loading import load_graph
from qcompile.passes._write_lookup import weight_rows
from qcompile.rounding.candidates import Candidate, find_candidates
from qcompile.search import LayerCost

ONE_BIT = {1: 2}  # bytes of codebooks by bits: -1 and 1 are no range of whole numbers of one bit


def layer_names_of(source: str | pathlib.Path, layers: LayerChoice | None = None) -> list[str]:
    """The names of the layers with a float weight in the file ``source``, in the order of the graph.

    Without those that ``layers`` leaves float. Raises ModelError if it is no ONNX model that can become integers,
    DataError if ``layers`` has a pattern that matches nothing.
    """
    model = load_graph(source)
    find_weights(model, layers)
    return [each.name for each in find_candidates(model)]


def layer_costs(
    model: ir.Model, widths: Mapping[str, Sequence[int]], activation_bits: int, batch: Batch, *, codebooks: bool = False
) -> tuple[LayerCost, ...]:
    """The layers of ``model``, float, with ``widths`` by name to choose from, in the order of the graph.

    How many places of a sample each weight is read at shows in a run on ``batch``. ``codebooks``: each weight has
    one of int8. Raises QCompileError if the model does not run.
    """
    found = find_candidates(model)
    outputs = [str(each.node.outputs[0].name) for each in found]
    seen = observer(ir.serde.serialize_model(model), outputs)(batch)
    samples = max((array.shape[0] for array in batch.values() if array.ndim), default=1)
    return tuple(
        LayerCost(
            each.name,
            _weight_shape(each),
            each.node.attributes.get_int("group", 1),
            max(1, seen[output].size // (samples * len(weight_rows(each.node)))),
            tuple(widths[each.name]),
            (activation_bits,),
            dict(ONE_BIT) if not codebooks else {bits: 2**bits for bits in range(1, MOST_BITS + 1)},
        )
        for each, output in zip(found, outputs, strict=True)
    )


def _weight_shape(candidate: Candidate) -> tuple[int, ...]:
    """As our operators have it: the outputs first."""
    weight = candidate.node.inputs[1]
    assert weight is not None
    rows = weight_rows(candidate.node)
    if candidate.node.op_type != "Conv":
        return tuple(rows.shape)
    assert weight.const_value is not None
    return tuple(int(size) for size in weight.const_value.shape.numpy())
