"""What a model that quantizes its activations still computes in floats: read from the compiled model."""

from collections.abc import Sequence

import onnx_ir as ir

from qcompile.integer_ops import QUANTIZE_INPUT
from qcompile.ops import DOMAIN
from qcompile.passes._match import constant, is_standard
from qcompile.passes._operands import fused_nodes
from qcompile.passes.round_weights import has_float_weight

NO_PAIR = "no pair of QuantizeLinear and DequantizeLinear of one scale and at most 8 bits"


def list_not_integer(model: ir.Model) -> list[tuple[str, str]]:
    """The layers, and the operators whose results are rounded, that stayed float: name and reason, in graph order.

    ``model`` is compiled with the pairs that it had. What reads the model's own inputs is no news.
    """
    fused = set(fused_nodes(model))
    found = []
    for node in model.graph:
        if node in fused:
            found.append((_name(node), f"it multiplies floats: {_reason(node.inputs[:1])}"))
        elif has_float_weight(node):
            found.append((_name(node), "its weight is not quantized"))
        elif _is_computed(node) and _is_rounded(node.outputs[0]):
            found.append((_name(node), f"it computes in floats: {_reason(node.inputs)}"))
    return found


def _name(node: ir.Node) -> str:
    return node.name or node.outputs[0].name or node.op_type


def _is_computed(node: ir.Node) -> bool:
    """Whether ``node`` is a standard operator that is no part of a pair, and no layer or product: others tell those."""
    others = ("QuantizeLinear", "DequantizeLinear", "Relu", "Clip", "Conv", "Gemm", "MatMul")
    return node.domain == "" and not is_standard(node, *others)


def _is_rounded(value: ir.Value) -> bool:
    """Whether something makes codes of the floats ``value``, as they are or cut."""
    readers = [use.node for use in value.uses()]
    if any(is_standard(reader, "QuantizeLinear") or _quantizes_input(reader) for reader in readers):
        return True
    return any(_is_rounded(reader.outputs[0]) for reader in readers if is_standard(reader, "Relu", "Clip"))


def _quantizes_input(node: ir.Node) -> bool:
    return node.domain == DOMAIN and node.op_type == QUANTIZE_INPUT


def _reason(values: Sequence[ir.Value | None]) -> str:
    """Which of ``values`` were never rounded; where all were, there is no operator for it."""
    computed = [value for value in values if value is not None and constant(value) is None]
    floats = [value for value in computed if not is_standard(value.producer(), "DequantizeLinear")]
    if not floats:
        return "there is no integer operator that does the same"
    return f"{', '.join(str(value.name) for value in floats)} has {NO_PAIR}"
