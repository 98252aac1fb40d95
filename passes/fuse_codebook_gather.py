"""Gather(lookup, ids)  ->  qcompile.CodebookGather(ids, indices, codebook, scale, bias): rows of a packed table.

The exported form looks the whole table up in its codebook, and then the rows up in the table; fused, only the rows that
are asked for are ever decoded. The factors of a scaled lookup become the scale.
"""

import onnx_ir as ir

from qcompile.gather_ops import CODEBOOK_GATHER
from qcompile.passes._fuse import check_none_is_left, fuse_candidates
from qcompile.passes._layer import Layer, make_layer
from qcompile.passes._match import LeftAloneError, find_source, is_lookup, is_standard
from qcompile.passes._weight import read_weight


class FuseCodebookGather(ir.passes.InPlacePass):
    """Fuses the lookup of a codebook table into the Gather that reads rows of it.

    Requires: a model that the ONNX checker accepts.
    Ensures: no Gather that could be fused is left.
    Leaves alone: a table that is no constant float32 matrix, has corrections, or whose codebooks or factors do not
    follow its rows; Gather along another axis; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses all that ``read_layer`` accepts."""
        return ir.passes.PassResult(model, modified=fuse_candidates(model, is_candidate, read_layer))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a node could still be fused."""
        check_none_is_left(model, is_candidate, read_layer)


def is_candidate(node: ir.Node) -> bool:
    """Whether ``node`` is a Gather of what is itself looked up in a codebook."""
    return is_standard(node, "Gather") and not is_lookup(node) and find_source(node.inputs[0]) is not None


def read_layer(node: ir.Node) -> Layer:
    """What the candidate ``node`` computes.

    Raises LeftAloneError where the operator cannot express it.
    """
    source, ids = node.inputs
    assert source is not None, f"{node.name} reads no table"
    if ids is None or ids is source:
        raise LeftAloneError("it has no ids")
    weight = read_weight(source)
    axes, axis = weight.entries.ndim, node.attributes.get_int("axis", 0)
    if axes != 2 or axis not in (0, -2):
        raise LeftAloneError(f"it looks up along axis {axis} of a table of {axes} axes, not the rows of a matrix")
    if weight.corrections is not None:
        raise LeftAloneError("its table has corrections, and no operator adds these")
    return make_layer(CODEBOOK_GATHER, ids, source, weight)
