"""Some nodes of a model as a session of their own: only their weights are held, and those not as bytes of a file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.helper
import onnx_ir as ir
import onnxruntime

from qcompile import runtime
from qcompile.inference import run_session

Array = npt.NDArray[Any]
LARGE = 1 << 20  # bytes of a constant that onnxruntime is handed as an array


def part_session(
    model: ir.Model, nodes: Sequence[ir.Node], feed: Mapping[str, Array], outputs: Sequence[str]
) -> Callable[[Mapping[str, Array]], list[Array]]:
    """What maps arrays by name to the tensors ``outputs``, computed by ``nodes`` of the graph of ``model``, in order.

    The arrays are those that the nodes read and none of them computes, of the types that they have in ``feed``;
    others are not looked at. Constants are those of ``model``.

    Raises QCompileError if onnxruntime refuses the nodes, or does not run them.
    """
    read = dict.fromkeys(str(value.name) for node in nodes for value in node.inputs if value is not None)
    inputs = [name for name in read if name in feed]
    stored = {name: value for name in read if (value := model.graph.initializers.get(name)) and name not in feed}
    arrays = {name: _array(value) for name, value in stored.items() if _is_large(value)}
    graph = onnx.GraphProto(name="part", node=[ir.serde.serialize_node(node) for node in nodes])
    graph.initializer.extend(
        _placeholder(name, value) if name in arrays else _small(name, value) for name, value in stored.items()
    )
    graph.input.extend(_input(name, feed[name]) for name in inputs)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)  # onnxruntime infers the types
    session = _session(model, graph, arrays)
    return lambda given: run_session(session, {name: given[name] for name in inputs})


def _session(model: ir.Model, graph: onnx.GraphProto, arrays: Mapping[str, Array]) -> onnxruntime.InferenceSession:
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in model.graph.opset_imports.items()]
    functions = [ir.serde.serialize_function(function) for function in model.functions.values()]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version, functions=functions)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would log is raised as well
    if arrays:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
        options.add_external_initializers(list(arrays), values)
    return runtime.session(proto.SerializeToString(), library=False, options=options)


def _is_large(value: ir.Value) -> bool:
    tensor = value.const_value
    return tensor is not None and tensor.nbytes >= LARGE and tensor.dtype in (ir.DataType.FLOAT, ir.DataType.INT32)


def _array(value: ir.Value) -> Array:
    assert value.const_value is not None
    return np.ascontiguousarray(value.const_value.numpy())


def _small(name: str, value: ir.Value) -> onnx.TensorProto:
    assert value.const_value is not None
    tensor = ir.serde.serialize_tensor(value.const_value)
    tensor.name = name
    return tensor


def _placeholder(name: str, value: ir.Value) -> onnx.TensorProto:
    """What stands for a constant that is handed as an array."""
    assert value.const_value is not None
    dtype, shape = value.const_value.dtype, value.const_value.shape.numpy()
    tensor = onnx.TensorProto(name=name, data_type=dtype.value, dims=shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=name)
    return tensor


def _input(name: str, array: Array) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), None)
