"""A model without the numbers of its large constants: for who looks at nodes and names, and must not hold it twice."""

import numpy as np
import onnx
import onnx_ir as ir

from qcompile.errors import ModelError

LARGE = 1 << 20  # bytes of a constant
MAX_BYTES = 2**31 - 1  # of an ONNX file: protobuf writes and reads no more


def hollow_proto(model: ir.Model) -> onnx.ModelProto:
    """``model``, which is the same afterwards, its graph's large constants having no elements."""
    values = [value for value in model.graph.initializers.values() if _bytes(value) >= LARGE]
    tensors = [value.const_value for value in values]
    try:
        for value in values:
            value.const_value = _empty(value)
        return ir.serde.serialize_model(model)
    finally:
        for value, tensor in zip(values, tensors, strict=True):
            value.const_value = tensor


def check_file_size(model: ir.Model, most: int = MAX_BYTES) -> None:
    """Raises ModelError where the constants of the graph of ``model`` are more than the ``most`` bytes of a file."""
    size = sum(map(_bytes, model.graph.initializers.values()))
    if size > most:
        raise ModelError(
            f"its constants would take {size} bytes, packed, and one ONNX file holds at most {most}. "
            "Take fewer bits, or compile the model in parts: onnx.utils.extract_model cuts it."
        )


def _bytes(value: ir.Value) -> int:
    return 0 if value.const_value is None else value.const_value.nbytes


def _empty(value: ir.Value) -> ir.TensorProtocol:
    assert value.const_value is not None
    dtype = value.const_value.dtype
    return ir.tensor(np.zeros(0, dtype.numpy()), dtype=dtype, name=value.name)
