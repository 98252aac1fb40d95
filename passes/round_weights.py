"""Conv, Gemm or MatMul with a float weight  ->  the same with a lookup of whole numbers times a step for each output.

For networks that were not learned with a codebook. The result is in the form that the frontend exports, so that all
later passes see one form.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.codebooks import Lookup
from qcompile.passes._chosen import stays_float
from qcompile.passes._layer_names import layer_names, widths_of
from qcompile.passes._match import constant, find_source, is_standard
from qcompile.passes._write_lookup import weight_rows, write_lookup

CUTS = np.linspace(0.4, 1.0, 61)  # of the largest weight of an output: where the grid may end
NUMBERS_AT_ONCE = 1 << 16
Floats = npt.NDArray[np.float32]


class RoundWeights(ir.passes.InPlacePass):
    """Rounds the float weights of layers to ``bits`` bits: whole numbers, symmetric about zero but for the lowest.

    ``bits`` are for all layers or by name; ``is_wanted`` says of which layers. The step of each output is the one of
    61 with the least squared error.
    Requires: a model that the ONNX checker accepts.
    Ensures: no Conv, Gemm or MatMul with a constant float32 weight on the right is left that ``is_wanted``.
    Leaves alone: weights that are looked up, not constant, not float32, not finite or of more than four axes; a Gemm
    with transA, which no pass fuses; what is to stay float; subgraphs.
    Raises QCompileError if ``bits`` names another layer or lacks one.
    """

    def __init__(self, bits: int | Mapping[str, int], is_wanted: Callable[[ir.Node], bool] = lambda node: True) -> None:
        super().__init__()
        self._bits = bits
        self._is_wanted = is_wanted

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rounds each weight once for each node that reads it."""
        nodes = [node for node in model.graph if has_float_weight(node) and self._is_wanted(node)]
        widths = widths_of(layer_names(nodes), self._bits) if nodes else []
        for node, bits in zip(nodes, widths, strict=True):
            write_lookup(node, grid_lookup(*round_to_grid(weight_rows(node), bits), bits))
        return ir.passes.PassResult(model, modified=bool(nodes))


def has_float_weight(node: ir.Node) -> bool:
    """Whether ``node`` is a layer with a constant float32 weight that may be rounded."""
    if not is_standard(node, "Conv", "Gemm", "MatMul") or stays_float(node):
        return False
    if find_source(node.inputs[1]) is not None:
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
    few = max(1, NUMBERS_AT_ONCE // max(1, rows.shape[1]))
    parts = [_round_rows(rows[start : start + few], bits) for start in range(0, len(rows), few)]
    numbers, steps = zip(*parts, strict=True)
    return np.concatenate(numbers), np.concatenate(steps)


def _round_rows(rows: Floats, bits: int) -> tuple[npt.NDArray[np.int16], Floats]:
    """As ``round_to_grid``, of a few rows: what is computed with them stays in the cache."""
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


def grid_lookup(numbers: npt.NDArray[np.int16], steps: Floats, bits: int) -> Lookup:
    """``numbers`` [n, k] of ``bits`` signed bits times ``steps`` [n], as a lookup in all numbers of so many bits."""
    values = np.array([-1, 1]) if bits == 1 else np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
    places = (numbers > 0) if bits == 1 else numbers - values[0]
    return Lookup(values[None].astype(np.float32), places.astype(np.uint8), steps)


def number_lookup(numbers: npt.NDArray[np.int16], steps: Floats, bits: int) -> Lookup:
    """``numbers`` [n, k] times ``steps`` [n] as a lookup in those numbers alone, at most 2**``bits`` of them."""
    values = np.unique(numbers)
    codebook = np.pad(values, (0, 2**bits - len(values)), mode="edge")
    return Lookup(codebook[None].astype(np.float32), np.searchsorted(values, numbers).astype(np.uint8), steps)
