"""The shapes of a model's tensors for one sample, as far as ONNX can tell them."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import helper, shape_inference

from qcompile.functions import OPERATORS_WITH_BODIES, function_bodies
from qcompile.integer_ops import INTEGER_GLOBAL_AVERAGE_POOL
from qcompile.ops import DOMAIN

Shape = tuple[int, ...]
FIRST_OPSET = 18  # of the bodies


def tensor_shapes(model: onnx.ModelProto, given: Mapping[str, Sequence[int]] | None = None) -> dict[str, Shape]:
    """By name, the shapes of the inputs of ``model`` and of what its nodes give, as far as they can be told.

    ``given`` are shapes of inputs by name; elsewhere a free axis has one element.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        kind = value.type.tensor_type
        if value.name in (given or {}) or kind.HasField("shape"):
            sizes = (given or {}).get(value.name, [size.dim_value or 1 for size in kind.shape.dim])
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind.elem_type, sizes))
    del fixed.graph.value_info[:], fixed.graph.output[:]  # they may name an axis that is fixed now
    fixed.functions.extend(_missing_bodies(model))
    shapes = _infer(fixed)
    while means := _means(fixed, shapes):
        fixed.graph.value_info.extend(helper.make_tensor_value_info(*mean) for mean in means)
        shapes = _infer(fixed)
    return shapes


def _missing_bodies(model: onnx.ModelProto) -> list[onnx.FunctionProto]:
    """The bodies of our operators that ``model`` uses and does not carry: they tell what shape comes out."""
    opset = next((each.version for each in model.opset_import if not each.domain), 0)
    used = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    known = (used - {function.name for function in model.functions}) & OPERATORS_WITH_BODIES
    return function_bodies(known, opset) if opset >= FIRST_OPSET else []


def _infer(model: onnx.ModelProto) -> dict[str, Shape]:
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    except (shape_inference.InferenceError, ValueError):  # a stranger's operator; a model of more than 2 GiB
        inferred = model.graph
    values = [*inferred.input, *inferred.value_info]
    return {value.name: shape for value in values if (shape := _shape(value.type.tensor_type)) is not None}


def _means(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> list[tuple[str, int, Shape]]:
    """Name, type and shape of the means over positions that ONNX cannot tell: their body computes the axes."""
    found: list[tuple[str, int, Shape]] = []
    for node in model.graph.node:
        known = shapes.get(node.input[0]) if node.input else None
        is_mean = (node.domain, node.op_type) == (DOMAIN, INTEGER_GLOBAL_AVERAGE_POOL)
        if is_mean and known and node.output[0] not in shapes:
            keeps = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
            shape: Shape = (known[0], *[1] * (len(known) - 2 if keeps else 0), known[-1])
            found.append((node.output[0], onnx.TensorProto.UINT8, shape))
    return found


def _shape(kind: onnx.TypeProto.Tensor) -> Shape | None:
    if not kind.HasField("shape") or not all(size.HasField("dim_value") for size in kind.shape.dim):
        return None
    return tuple(size.dim_value for size in kind.shape.dim)
