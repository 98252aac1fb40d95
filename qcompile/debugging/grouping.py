"""Which layers are looked at in one run: so many that the tensors that are kept fit into a given number of bytes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy.typing as npt
import onnx

Item = TypeVar("Item")
FLOAT_BYTES = 4


def bytes_of_tensors(model: onnx.ModelProto, feed: Mapping[str, npt.NDArray[Any]]) -> dict[str, int]:
    """The bytes of each tensor of ``model`` as floats when it is run on ``feed``, where ONNX can infer them."""
    shaped = onnx.ModelProto()
    shaped.CopyFrom(model)
    for value in shaped.graph.input:
        if value.name in feed:
            shape = value.type.tensor_type.shape
            shape.CopyFrom(onnx.TensorShapeProto())
            for size in feed[value.name].shape:
                shape.dim.add(dim_value=size)
    for value in shaped.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        graph = onnx.shape_inference.infer_shapes(shaped, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError):  # of more than 2 GiB
        return {}
    sizes = {value.name: _size(value) for value in (*graph.value_info, *graph.input, *graph.output)}
    return {name: FLOAT_BYTES * size for name, size in sizes.items() if size is not None}


def in_groups(items: Sequence[tuple[Item, Sequence[str]]], sizes: Mapping[str, int], most: int) -> Iterator[list[Item]]:
    """``items``, each with the tensors that it needs, in groups whose tensors have at most ``most`` bytes together.

    A tensor counts once a group; one of unknown size counts ``most``. An item that needs more is a group of its own.
    """
    group, held = list[Item](), set[str]()
    for item, names in items:
        together = held | set(names)
        if group and sum(sizes.get(name, most) for name in together) > most:
            yield group
            group, together = [], set(names)
        group.append(item)
        held = together
    if group:
        yield group


def _size(value: onnx.ValueInfoProto) -> int | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None
    return math.prod(int(dim.dim_value) for dim in tensor.shape.dim)
