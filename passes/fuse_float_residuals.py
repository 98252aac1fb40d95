"""IntegerMatMulFloat, plus dequantized codes  ->  one operator that adds the codes itself."""

import numpy as np
import onnx_ir as ir

from qcompile.integer_ops import INTEGER_MATMUL_ADD_FLOAT, INTEGER_MATMUL_FLOAT
from qcompile.ops import DOMAIN
from qcompile.passes._activations import is_residual
from qcompile.passes._codes import Codes, read_codes
from qcompile.passes._match import constant, is_standard, sole_reader
from qcompile.passes._operands import initializer, register

BIAS = 4  # input of the layer


class FuseFloatResiduals(ir.passes.InPlacePass):
    """Puts the operator with a residual in the place of a matrix product in floats and the addition behind it.

    Requires: integer operators. Ensures: the same floats, to rounding.
    Leaves alone: products that somebody else reads; residuals that are floats, or codes of several scales.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses each addition."""
        modified = False
        for node in list(model.graph):
            modified |= is_residual(node) and _fuse(node)
        return ir.passes.PassResult(model, modified)


def _fuse(addition: ir.Node) -> bool:
    a, b = addition.inputs
    assert a is not None
    assert b is not None
    for own, other in ((a, b), (b, a)):
        residual = _codes_of(other)
        if _is_product(own) and residual is not None:
            _replace(addition, own, residual)
            return True
    return False


def _is_product(value: ir.Value) -> bool:
    node = value.producer()
    is_own = node is not None and node.domain == DOMAIN and node.op_type == INTEGER_MATMUL_FLOAT
    return is_own and sole_reader(value) is not None


def _codes_of(value: ir.Value) -> Codes | None:
    node = value.producer()
    return read_codes(node) if node is not None and is_standard(node, "DequantizeLinear") else None


def _replace(addition: ir.Node, product: ir.Value, residual: Codes) -> None:
    """The zero point of the residual becomes part of the bias, computed in float64."""
    layer, output, graph = product.producer(), addition.outputs[0], addition.graph
    assert layer is not None
    assert graph is not None
    bias = np.asarray(constant(layer.inputs[BIAS]), np.float64) - residual.zero_point * residual.scale
    stored = initializer(bias.astype(np.float32))
    register(graph, stored, f"{layer.name}.residual_bias")
    inputs = [*layer.inputs[:BIAS], stored, residual.value]
    scale = ir.AttrFloat32("residual_scale", float(np.float32(residual.scale)))
    fused = ir.Node(DOMAIN, INTEGER_MATMUL_ADD_FLOAT, inputs, [*layer.attributes.values(), scale], name=layer.name)
    new = fused.outputs[0]
    new.name, new.type, new.shape = output.name, output.type, output.shape
    graph.insert_before(addition, fused)  # where the residual is there
    output.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove([addition, layer], safe=True)
