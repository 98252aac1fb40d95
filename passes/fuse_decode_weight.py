"""Reshape(lookup [rows, k], shape)  ->  qcompile.DecodeWeight(shape, indices, codebook, scale, bias), packed.

For weights of layers that no operator of ours computes: they are read from few bytes, and are floats from then on.
"""

import numpy as np
import onnx_ir as ir

from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.passes._fuse import check_none_is_left, fuse_candidates
from qcompile.passes._layer import Layer, make_layer
from qcompile.passes._match import LeftAloneError, constant, find_source, is_standard
from qcompile.passes._weight import read_weight
from qcompile.passes.round_stored import STORED


class FuseDecodeWeight(ir.passes.InPlacePass):
    """Fuses what is left of lookups, as RoundStored writes them, into the operator that decodes a weight.

    Requires: operators that multiply by a lookup are fused already.
    Ensures: no such Reshape is left that could be fused.
    Leaves alone: a lookup that is no matrix, has corrections, or another reader than a layer; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses all that ``read_layer`` accepts."""
        return ir.passes.PassResult(model, modified=fuse_candidates(model, is_candidate, read_layer))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a node could still be fused."""
        check_none_is_left(model, is_candidate, read_layer)


def is_candidate(node: ir.Node) -> bool:
    """Whether ``node`` is a Reshape of a lookup which only layers read."""
    if not is_standard(node, "Reshape") or find_source(node.inputs[0]) is None:
        return False
    uses = node.outputs[0].uses()
    return bool(uses) and all(is_standard(use.node, *STORED) for use in uses)


def read_layer(node: ir.Node) -> Layer:
    """What the candidate ``node`` computes.

    Raises LeftAloneError where the operator cannot express it.
    """
    source, shape = node.inputs
    assert source is not None, f"{node.name} reads no lookup"
    sizes = constant(shape)
    if shape is None or sizes is None or sizes.dtype != np.int64 or (sizes < 1).any():
        raise LeftAloneError("the shape of its weight is not constant and whole")
    weight = read_weight(source)
    if weight.entries.ndim != 2 or weight.corrections is not None:
        raise LeftAloneError("its weight is no matrix, or has corrections: it cannot be decoded at load")
    return make_layer(DECODE_WEIGHT, shape, source, weight)
