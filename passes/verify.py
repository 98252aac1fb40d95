"""model  ->  the same model, if it keeps the rules of docs/packed-format.md; ModelError if not.

The last pass, and in tests the pass after each other one.
"""

import numpy as np
import onnx_ir as ir

from qcompile.bfloat16_ops import BFLOAT16_OPS, check_bfloat16_codebook
from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.errors import ModelError
from qcompile.gather_ops import CODEBOOK_GATHER
from qcompile.model_checker import check_model
from qcompile.ops import CODEBOOK_CONV, CODEBOOK_CONV_BFLOAT16, FORMAT_VERSION, OPERANDS, check_packed_weight
from qcompile.passes._hollow import check_file_size, hollow_proto
from qcompile.passes._match import constant
from qcompile.passes._operands import CODEBOOK, GAPS, VALUES, operand, own_nodes
from qcompile.passes._verify_integer import RULES, check_integer_node
from qcompile.sparse_ops import SPARSE_CONV, SPARSE_OF, SPARSE_OPERANDS, check_corrections

OPERATORS = {*SPARSE_OF, *SPARSE_OF.values(), CODEBOOK_GATHER, DECODE_WEIGHT}


class Verify(ir.passes.InPlacePass):
    """Checks the operators of ours, that every initializer is read, and the model with ONNX's own checker.

    Requires: nothing.
    Ensures: what it checks; a ModelError names the node, what was found and what was wanted.
    Leaves alone: everything.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Checks; changes nothing."""
        for node in own_nodes(model):
            _check_node(node)
        for value in model.graph.initializers.values():
            if not (value.uses() or value.is_graph_output() or value.is_graph_input()):
                raise ModelError(f"initializer {value.name} is not read")
        check_file_size(model)
        check_model(hollow_proto(model))  # onnx_ir's own pass would add shapes
        return ir.passes.PassResult(model, modified=False)


def _check_node(node: ir.Node) -> None:
    where = node.name or node.op_type
    _check_version(node, where)
    if node.op_type in RULES:
        return check_integer_node(node, where)
    if node.op_type not in OPERATORS:
        raise ModelError(f"{where}: there is no operator {node.op_type} in domain {node.domain}")
    operands, computed = (SPARSE_OPERANDS, 2) if node.op_type in SPARSE_OF.values() else (OPERANDS, 1)
    if len(node.inputs) != len(operands) or None in node.inputs[:computed]:
        raise ModelError(f"{where}: {len(node.inputs)} inputs, wanted {', '.join(operands)}")
    for name, value in zip(operands[computed:], node.inputs[computed:], strict=True):
        if value is None or not value.is_initializer() or constant(value) is None:
            raise ModelError(f"{where}: {name} is not an initializer")
    if node.op_type == DECODE_WEIGHT and constant(node.inputs[0]) is None:
        raise ModelError(f"{where}: the shape is not constant")
    shape = _attribute(node, where, "weight_shape", None)
    if node.op_type in SPARSE_OF.values():
        check_corrections(where, operand(node, GAPS), operand(node, VALUES), shape)
    else:
        _check_packed_weight(node, where, shape)
    _check_shape_and_attributes(node, where, shape)


def _check_version(node: ir.Node, where: str) -> None:
    version = node.attributes.get_int("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        raise ModelError(f"{where}: format_version is {version}, this library knows {FORMAT_VERSION}")


def _check_packed_weight(node: ir.Node, where: str, shape: tuple[int, ...]) -> None:
    indices, codebook, scale, bias = (operand(node, position) for position in range(1, len(OPERANDS)))
    for name, found in (("codebook", codebook), ("scale", scale), ("bias", bias)):
        if found.dtype != np.float32:
            raise ModelError(f"{where}: {name} is {found.dtype}, wanted float32")
    bits = _attribute(node, where, "bits", 1)[0]
    check_packed_weight(where, indices, codebook, scale, bias, bits, shape)
    if node.op_type in BFLOAT16_OPS:
        check_bfloat16_codebook(where, codebook)
    if (np.diff(operand(node, CODEBOOK), axis=1) < 0).any() and bits < 8:
        raise ModelError(f"{where}: the codebook decreases along a row")


def _check_shape_and_attributes(node: ir.Node, where: str, shape: tuple[int, ...]) -> None:
    axes = len(shape) - 2
    is_convolution = node.op_type in (CODEBOOK_CONV, CODEBOOK_CONV_BFLOAT16, SPARSE_CONV)
    if axes not in ((1, 2) if is_convolution else (0,)):
        raise ModelError(f"{where}: weight_shape of {node.op_type} is {list(shape)}")
    if not is_convolution:
        return
    for name, count, least in (("strides", axes, 1), ("dilations", axes, 1), ("pads", 2 * axes, 0), ("group", 1, 1)):
        found = _attribute(node, where, name, count)
        if min(found) < least:
            raise ModelError(f"{where}: {name} is {list(found)}, wanted each at least {least}")
    if shape[0] % _attribute(node, where, "group", 1)[0]:
        raise ModelError(f"{where}: group does not divide {shape[0]} outputs")


def _attribute(node: ir.Node, where: str, name: str, count: int | None) -> tuple[int, ...]:
    """The integers of attribute ``name``: as many as ``count`` says, or at least one."""
    attribute = node.attributes.get(name)
    kinds = (ir.AttributeType.INT, ir.AttributeType.INTS)
    if attribute is None or attribute.is_ref() or attribute.type not in kinds:
        raise ModelError(f"{where}: attribute {name} is missing or no integer")
    found = (attribute.as_int(),) if attribute.type == ir.AttributeType.INT else tuple(attribute.as_ints())
    if not found or (count is not None and len(found) != count):
        raise ModelError(f"{where}: {name} is {list(found)}, wanted {count or 'some'} integers")
    return found
