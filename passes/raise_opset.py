"""A model of an older opset  ->  the same nodes under a later one, where each of them means the same there.

The bodies of our operators need opset 18, and onnxruntime reads a body in the opset of the model, whatever the body
itself imports. Most operators of convolutional networks have changed since opset 11 in the types that they take only.
"""

from functools import cache

import onnx.defs
import onnx_ir as ir

# What changed between any two opsets up to 18 in types, optional attributes and optional inputs alone, where the form
# is the same; read from ONNX's changelog. The form itself is compared.
SAME_MEANING = {
    *("Abs", "Add", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat"),
    *("Constant", "Conv", "ConvTranspose", "Cos", "DequantizeLinear", "Div", "Elu", "Equal", "Erf", "Exp", "Expand"),
    *("Flatten", "Floor", "Gather", "GatherElements", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater"),
    *("HardSigmoid", "Identity", "If", "InstanceNormalization", "LeakyRelu", "Less", "Log", "MatMul", "Max", "MaxPool"),
    *("Min", "Mul", "Neg", "PRelu", "Pad", "Pow", "QuantizeLinear", "Reciprocal", "Relu", "Reshape", "ScatterND"),
    *("Selu", "Shape", "Sigmoid", "Sin", "Slice", "Softplus", "Sqrt", "Sub", "Sum", "Tanh", "Tile", "Transpose"),
    "Where",
}


class RaiseOpset(ir.passes.InPlacePass):
    """Raises the opset of the standard operators to ``wanted``, if all nodes mean the same there.

    Requires: a model that the ONNX checker accepts.
    Ensures: the same numbers; no node changes.
    Leaves alone: a model in whose way something stands (``in_the_way``), or of a later opset.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self._wanted = wanted

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Changes the number that the model imports."""
        raised = model.graph.opset_imports.get("", self._wanted) < self._wanted and not in_the_way(model, self._wanted)
        if raised:
            model.graph.opset_imports[""] = self._wanted
        return ir.passes.PassResult(model, modified=raised)


def in_the_way(model: ir.Model, wanted: int) -> tuple[str, ...]:
    """The operators of ``model`` that may mean something else under opset ``wanted``, each once."""
    opset = model.graph.opset_imports.get("", wanted)
    nodes = [node for node in ir.traversal.RecursiveGraphIterator(model.graph) if node.domain == ""]
    found = {node.op_type for node in nodes if opset < wanted and not _is_same(node.op_type, opset, wanted)}
    # Before opset 14 it had up to five outputs, and gave other ones behind the first in training.
    found |= {node.op_type for node in nodes if node.op_type == "BatchNormalization" and len(node.outputs) > 1}
    functions = {f"function {name}" for _, name, _ in model.functions if opset < wanted}
    return tuple(sorted(found | functions))


@cache
def _is_same(op_type: str, opset: int, wanted: int) -> bool:
    """Whether a node of ``op_type`` written for ``opset`` means the same under ``wanted``."""
    before, after = (onnx.defs.get_schema(op_type, version, "") for version in (opset, wanted))
    if before.since_version == after.since_version:
        return True
    return op_type in SAME_MEANING and _fits(before, after)


def _fits(before: onnx.defs.OpSchema, after: onnx.defs.OpSchema) -> bool:
    """Whether what is written by the form of ``before`` is, by that of ``after``, the same."""
    added = after.inputs[len(before.inputs) :]
    optional = all(part.option != onnx.defs.OpSchema.FormalParameterOption.Single for part in added)
    kept = all(
        name in after.attributes and _is_like(old, after.attributes[name]) for name, old in before.attributes.items()
    )
    new = [attribute for name, attribute in after.attributes.items() if name not in before.attributes]
    return (
        len(before.inputs) <= len(after.inputs)
        and optional
        and kept
        and not any(attribute.required for attribute in new)
    )


def _is_like(old: onnx.defs.OpSchema.Attribute, new: onnx.defs.OpSchema.Attribute) -> bool:
    """Whether both attributes have one type and one default; a default that was not written before was the same."""
    had_default = old.default_value.type != 0
    return old.type == new.type and (not had_default or old.default_value == new.default_value)
