"""What QuantizeLinear, DequantizeLinear and Clip of codes say."""

import numpy as np
import onnx_ir as ir
import pytest

from qcompile.passes._match import LeftAloneError
from qcompile.passes._quantized import code_bounds, code_type, constant_codes, spread_scale


def value(array):
    tensor = ir.tensor(np.asarray(array))
    return ir.Value(name="constant", const_value=tensor, type=ir.TensorType(tensor.dtype), shape=tensor.shape)


def computed(kind=ir.DataType.INT8):
    return ir.Value(name="computed", type=ir.TensorType(kind))


def clip(codes, *ends):
    return ir.node("Clip", [codes, *(None if end is None else value(np.int8(end)) for end in ends)])


@pytest.mark.parametrize(("ends", "wanted"), [((-3, 5), (-3, 5)), ((5, -3), (-3, -3)), ((-3, None), (-3, 2**31))])
def test_bounds_of_codes(ends, wanted):
    assert code_bounds(clip(computed(), *ends)) == wanted


def test_bounds_that_are_computed_are_not_known():
    assert code_bounds(ir.node("Clip", [computed(), computed(), None])) is None


def test_the_type_of_codes():
    scale = value(np.float32(1))
    assert code_type(ir.node("QuantizeLinear", [computed(ir.DataType.FLOAT), scale])) == "uint8"
    assert code_type(ir.node("QuantizeLinear", [computed(), scale, value(np.int16(0))])) == "int16"
    assert code_type(ir.node("QuantizeLinear", [computed(), scale], {"output_dtype": 22})) == "int4"
    assert code_type(ir.node("DequantizeLinear", [computed(), scale])) == "int8"
    assert code_type(ir.node("DequantizeLinear", [ir.Value(name="unknown"), scale])) == ""


def test_codes_made_of_constants():
    numbers = value(np.array([[-9.0, 0.5], [1.5, 9.0]], np.float32))
    scales, zeros = value(np.array([1.0, 0.5], np.float32)), value(np.array([0, 1], np.int8))
    rounded = ir.node("QuantizeLinear", [numbers, scales, zeros], {"axis": 1})
    assert constant_codes(rounded.outputs[0]).tolist() == [[-9, 2], [2, 19]]
    assert constant_codes(clip(rounded.outputs[0], -4, 3).outputs[0]).tolist() == [[-4, 2], [2, 3]]
    assert constant_codes(computed()) is None
    assert constant_codes(numbers) is None


@pytest.mark.parametrize(("axis", "shape"), [(0, (3, 1, 1)), (1, (1, 3, 1)), (-1, (1, 1, 3))])
def test_scales_spread_along_their_axis(axis, shape):
    node = ir.node("DequantizeLinear", [computed(), value(np.ones(3, np.float32))], {"axis": axis})
    scale, zero_point = spread_scale(node, (3, 3, 3))
    assert (scale.shape, zero_point.shape, zero_point.dtype) == (shape, (), np.int64)


def test_scales_of_another_length_are_refused():
    node = ir.node("DequantizeLinear", [computed(), value(np.ones(3, np.float32))], {"axis": 1})
    with pytest.raises(LeftAloneError, match="3 numbers along axis 1"):
        spread_scale(node, (3, 4))
