import numpy as np
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.errors import ModelError
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.pack_indices import PackIndices
from qcompile.passes.verify import Verify


@pytest.fixture
def model(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (4, 2, 3, 3), 5, layer="conv")
    model = tools.make_model([*nodes, make_node("Conv", ["x", "conv.weight"], ["y"])], tensors, [1, 2, 5, 5])
    FuseCodebookConv()(model)
    PackIndices()(model)
    return model


def put(model, position, array):
    value = model.graph[0].inputs[position]
    value.const_value = ir.tensor(array)
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)


def test_accepts_a_packed_model(tools, model):
    tools.apply(Verify(), model, modified=False)


@pytest.mark.parametrize(
    ("position", "array", "message"),
    [
        (
            1,
            np.zeros(26, np.uint8),
            r"conv: 3-bit indices of weight \[4, 2, 3, 3\] are uint8 \[27\], found uint8 \[26\]",
        ),
        (2, np.zeros((3, 8), np.float32), "conv: codebook is"),
        (2, np.zeros((1, 8)), "conv: codebook is float64"),
        (2, np.float32([[0, 1, 2, 3, 4, 5, 7, 6]]), "conv: the codebook decreases"),
        (3, np.ones(3, np.float32), "conv: scale is"),
        (3, np.float32([1, 2, np.inf, 1]), "conv: scale has a value that is not finite"),
    ],
)
def test_refuses_operands_that_do_not_fit(model, position, array, message):
    put(model, position, array)
    with pytest.raises(ModelError, match=message):
        Verify()(model)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bits", 9, "conv: bits is 9"),
        ("bits", None, "conv: attribute bits is missing"),
        ("bits", "three", "conv: attribute bits is missing or no integer"),
        ("weight_shape", [4, 18], r"weight_shape of CodebookConv is \[4, 18\]"),
        ("weight_shape", [4, 0, 3, 3], "conv: weight_shape"),
        ("strides", [1, 0], "conv: strides"),
        ("strides", [1], r"strides is \[1\], wanted 2 integers"),
        ("pads", [0, 0, 0, -1], "conv: pads"),
        ("dilations", None, "conv: attribute dilations is missing"),
        ("group", 3, "group does not divide 4"),
        ("format_version", 2, "format_version is 2, this library knows 1"),
    ],
)
def test_refuses_attributes_that_do_not_fit(model, name, value, message):
    model.graph[0].attributes.pop(name, None)
    if value is not None:
        model.graph[0].attributes[name] = ir.convenience.convert_attribute(name, value)
    with pytest.raises(ModelError, match=message):
        Verify()(model)


def test_refuses_an_operand_that_is_an_input(model):
    model.graph.inputs.append(model.graph[0].inputs[2])
    with pytest.raises(ModelError, match="conv: codebook is not an initializer"):
        Verify()(model)


def test_refuses_an_unknown_operator_of_ours(model):
    model.graph[0].op_type = "CodebookScatter"
    with pytest.raises(ModelError, match="conv: there is no operator CodebookScatter in domain qcompile"):
        Verify()(model)


def test_refuses_missing_inputs(model):
    model.graph[0].resize_inputs(4)
    with pytest.raises(ModelError, match="conv: 4 inputs, wanted x, indices, codebook, scale, bias"):
        Verify()(model)


def test_refuses_an_unread_initializer(tools):
    model = tools.make_model([make_node("Relu", ["x"], ["y"])], {"unread": np.ones(1, np.float32)}, [3])
    with pytest.raises(ModelError, match="initializer unread is not read"):
        Verify()(model)


def test_refuses_what_the_onnx_checker_refuses(tools):
    model = tools.make_model([make_node("Relu", ["x"], ["y"])], {}, [3])
    model.graph[0].attributes["unknown"] = ir.AttrInt64("unknown", 1)
    with pytest.raises(ModelError, match="the ONNX checker refuses it"):
        Verify()(model)
