import numpy as np
import onnx
import onnx_ir as ir
import pytest

from qcompile.errors import ModelError
from qcompile.model_checker import check_model
from qcompile.passes._hollow import LARGE, check_file_size, hollow_proto


def model_of(*sizes):
    """A model with constants of so many bytes."""
    tensors = [onnx.numpy_helper.from_array(np.zeros(size, np.uint8), f"t{size}") for size in sizes]
    value = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("Identity", [tensor.name], [f"y{tensor.name}"]) for tensor in tensors]
    outputs = [value(f"y{tensor.name}", onnx.TensorProto.UINT8, tensor.dims) for tensor in tensors]
    graph = onnx.helper.make_graph(nodes, "g", [], outputs, tensors)
    opset = onnx.helper.make_opsetid("", 18)
    return ir.from_proto(onnx.helper.make_model(graph, ir_version=8, opset_imports=[opset]))


def test_large_constants_are_left_out_and_the_model_stays_as_it_is():
    model = model_of(LARGE, LARGE - 1)
    before = ir.serde.serialize_model(model)
    hollow = hollow_proto(model)
    assert [list(tensor.dims) for tensor in hollow.graph.initializer] == [[0], [LARGE - 1]]
    assert [tensor.name for tensor in hollow.graph.initializer] == [tensor.name for tensor in before.graph.initializer]
    check_model(hollow)
    assert ir.serde.serialize_model(model) == before


def test_constants_that_no_file_can_hold_are_an_error_that_says_what_to_do():
    check_file_size(model_of(10, 20), 30)
    with pytest.raises(ModelError, match=r"would take 30 bytes.*at most 29.*Take fewer bits"):
        check_file_size(model_of(10, 20), 29)
