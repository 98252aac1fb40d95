"""Conv, Gemm or MatMul with a float weight  ->  the same with a lookup of whole numbers times a step for each output.

For networks that were not learned with a codebook. The result is in the form that the frontend exports, so that all
later passes see one form.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import constant, find_source, is_standard
from qcompile.passes._operands import drop_unused, graph_of, initializer, register

CUTS = np.linspace(0.4, 1.0, 61)  # of the largest weight of an output: where the grid may end
Floats = npt.NDArray[np.float32]


class RoundWeights(ir.passes.InPlacePass):
    """Rounds the float weights of layers to ``bits`` bits: whole numbers, symmetric about zero but for the lowest.

    ``is_wanted`` says of which layers. The step of each output is the one of 61 with the least squared error.
    Requires: a model that the ONNX checker accepts.
    Ensures: no Conv, Gemm or MatMul with a constant float32 weight on the right is left that ``is_wanted``.
    Leaves alone: weights that are looked up, not constant, not float32, not finite or of more than four axes; a Gemm
    with transA, which no pass fuses; subgraphs.
    """

    def __init__(self, bits: int, is_wanted: Callable[[ir.Node], bool] = lambda node: True) -> None:
        super().__init__()
        self._bits = bits
        self._is_wanted = is_wanted

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rounds each weight once for each node that reads it."""
        nodes = [node for node in model.graph if has_float_weight(node) and self._is_wanted(node)]
        for node in nodes:
            write_rounded(node, *round_to_grid(weight_rows(node), self._bits), self._bits)
        return ir.passes.PassResult(model, modified=bool(nodes))


def has_float_weight(node: ir.Node) -> bool:
    """Whether ``node`` is a layer with a constant float32 weight."""
    if not is_standard(node, "Conv", "Gemm", "MatMul") or find_source(node.inputs[1]) is not None:
        return False
    weight = constant(node.inputs[1])
    ranks = (3, 4) if node.op_type == "Conv" else (2,)
    if weight is None or weight.dtype != np.float32 or weight.ndim not in ranks or not weight.size:
        return False
    return bool(np.isfinite(weight).all()) and not node.attributes.get_int("transA", 0)


def round_to_grid(rows: Floats, bits: int) -> tuple[npt.NDArray[np.int16], Floats]:
    """Whole numbers [n, k] of ``bits`` signed bits and a step [n], whose product is near ``rows`` [n, k].

    With one bit the numbers are -1 and 1, and the step is the mean size.
    """
    largest = np.abs(rows).max(axis=1).astype(np.float64)
    if bits == 1:
        steps = np.abs(rows).mean(axis=1, dtype=np.float64)
        return np.where(rows < 0, -1, 1).astype(np.int16), steps.astype(np.float32)
    high = 2 ** (bits - 1) - 1
    best, best_error = largest / high, np.full(len(rows), np.inf)
    for cut in CUTS if bits < 8 else CUTS[-1:]:
        steps = safe_steps(largest * cut / high)
        rounded = _rounded(rows, steps, high) * steps[:, None]
        error = np.square(rounded - rows, dtype=np.float64).sum(axis=1)
        best, best_error = np.where(error < best_error, steps, best), np.minimum(error, best_error)
    steps = safe_steps(best)
    return _rounded(rows, steps, high).astype(np.int16), steps


def _rounded(rows: Floats, steps: Floats, high: int) -> Floats:
    cut: Floats = np.clip(np.rint(rows / steps[:, None]), -high - 1, high)
    return cut


def safe_steps(steps: npt.NDArray[np.float64]) -> Floats:
    """Steps that can be divided by."""
    return np.where(steps < 1e-30, 1.0, steps).astype(np.float32)


def weight_rows(node: ir.Node) -> Floats:
    """The weight of ``node``, which ``has_float_weight``, as [n, k]: a row for each output."""
    weight = constant(node.inputs[1])
    assert weight is not None
    rows = weight.reshape(len(weight), -1) if _is_by_row(node) else weight.T
    return np.ascontiguousarray(rows)


def write_rounded(node: ir.Node, numbers: npt.NDArray[np.int16], steps: Floats, bits: int) -> None:
    """Gives ``node`` a lookup of ``numbers`` [n, k] times ``steps`` [n] in the place of its float weight."""
    weight = constant(node.inputs[1])
    assert weight is not None
    shaped = numbers.reshape(weight.shape) if _is_by_row(node) else numbers.T
    factors = steps.reshape(-1, *[1] * (weight.ndim - 1)) if _is_by_row(node) else steps
    write_lookup(node, 1, shaped, factors, bits)


def write_lookup(node: ir.Node, position: int, numbers: npt.NDArray[np.int16], factors: Floats, bits: int) -> None:
    """Gives ``node`` a lookup of ``numbers`` of ``bits`` bits, times ``factors``, in the place of an input.

    ``numbers`` have the shape of the constant that stands there, ``factors`` one that spreads over it.
    """
    old, graph = node.inputs[position], graph_of(node)
    assert old is not None
    values = np.array([-1, 1]) if bits == 1 else np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
    indices = ((numbers > 0) if bits == 1 else numbers - values[0]).astype(np.int32)
    codebook, index, factor = (initializer(a) for a in (values.astype(np.float32), indices, factors))
    looked_up = ir.node("Gather", [codebook, index], {"axis": 0})
    scaled = ir.node("Mul", [looked_up.outputs[0], factor])
    graph.insert_before(node, [looked_up, scaled])
    node.replace_input_with(position, scaled.outputs[0])
    name = str(old.name)
    drop_unused(old)
    for value, suffix in ((codebook, "codebook"), (index, "indices"), (factor, "scale")):
        register(graph, value, f"{name}.{suffix}")


def _is_by_row(node: ir.Node) -> bool:
    """Whether the outputs are the first axis of the weight of ``node``."""
    return node.op_type == "Conv" or bool(node.attributes.get_int("transB", 0))
