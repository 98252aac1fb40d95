"""The shapes of a model's tensors for one sample, as far as ONNX can tell them."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import helper, shape_inference

Shape = tuple[int, ...]


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
    inferred = shape_inference.infer_shapes(fixed, data_prop=True).graph
    values = [*inferred.input, *inferred.value_info]
    return {value.name: shape for value in values if (shape := _shape(value.type.tensor_type)) is not None}


def _shape(kind: onnx.TypeProto.Tensor) -> Shape | None:
    if not kind.HasField("shape") or not all(size.HasField("dim_value") for size in kind.shape.dim):
        return None
    return tuple(size.dim_value for size in kind.shape.dim)
