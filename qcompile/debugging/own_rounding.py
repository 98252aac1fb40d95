"""Where a model that was quantized before it was compiled rounds its tensors itself."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

BETWEEN = ("Clip", "Identity")  # of codes


def rounded_tensors(model: onnx.ModelProto) -> dict[tuple[str, np.float32], str]:
    """By tensor and scale, what ``model`` makes of the tensor: behind QuantizeLinear and DequantizeLinear.

    Of several pairs of one scale it is that of the first.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.input:
            readers.setdefault(node.input[0], []).append(node)
    scales, found = dict(_single_numbers(model)), dict[tuple[str, np.float32], str]()
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[1] in scales:
            for number in _numbers(node.output[0], readers):
                found.setdefault((node.input[0], scales[node.input[1]]), number)
    return found


def _numbers(codes: str, readers: dict[str, list[onnx.NodeProto]]) -> Iterator[str]:
    """What ``codes``, possibly cut, are dequantized to."""
    for node in readers.get(codes, []):
        if node.op_type == "DequantizeLinear":
            yield node.output[0]
        elif node.op_type in BETWEEN:
            yield from _numbers(node.output[0], readers)


def _single_numbers(model: onnx.ModelProto) -> Iterator[tuple[str, np.float32]]:
    """The constants of ``model`` that are one float32."""
    tensors = [(tensor.name, tensor) for tensor in model.graph.initializer]
    for node in model.graph.node:
        if node.op_type == "Constant":
            tensors += [(node.output[0], attribute.t) for attribute in node.attribute if attribute.name == "value"]
    for name, tensor in tensors:
        if tensor.data_type == onnx.TensorProto.FLOAT and int(np.prod(tensor.dims)) == 1:
            array: npt.NDArray[np.float32] = numpy_helper.to_array(tensor)
            yield name, np.float32(array.reshape(())[()])
