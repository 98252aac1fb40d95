"""Odd pairs of QuantizeLinear and DequantizeLinear, and odd quantized weights. ``way`` is "packed" only."""

import numpy as np
import onnx
from onnx import helper

from tests.odd_models.models import FLOAT, Odd

UINT8, INT8 = onnx.TensorProto.UINT8, onnx.TensorProto.INT8


class Quantized(Odd):
    """x, rounded to codes, times a quantized weight."""

    def pair(self, value, *, scale=1.0, zero=0, kind=np.uint8, name="p", other_scale=None, other_zero=None):
        """Rounds ``value`` to codes of scale and zero point; other ones dequantize, where they are given."""
        self.constant(f"{name}.s", scale), self.constant(f"{name}.z", zero, kind)
        ends = [f"{name}.s", f"{name}.z"]
        self.add("QuantizeLinear", [value, *ends], f"{name}.q")
        if other_scale is not None:
            ends[0] = self.constant(f"{name}.os", other_scale)
        if other_zero is not None:
            ends[1] = self.constant(f"{name}.oz", other_zero, kind)
        return self.add("DequantizeLinear", [f"{name}.q", *ends], f"{name}.d")

    def codes(self, *shape, scale=1.0, zero=0, kind=np.int8, axis=None, name="w"):
        """A weight of codes."""
        self.constant(f"{name}.codes", self.numbers(*shape), kind)
        self.constant(f"{name}.s", scale), self.constant(f"{name}.z", zero, kind)
        given = {} if axis is None else {"axis": axis}
        return self.add("DequantizeLinear", [f"{name}.codes", f"{name}.s", f"{name}.z"], f"{name}.weight", **given)


def dense(pair=(), codes=()):
    def make(way):
        odd = Quantized()
        odd.add("MatMul", [odd.pair(odd.takes("x"), **dict(pair)), odd.codes(4, 3, **dict(codes))], "y")
        return odd.gives("y", ["batch", 3]).proto()

    return make


plain = dense()
zero_scale = dense({"scale": 0.0})
negative_scale = dense({"scale": -1.0})
nan_scale = dense({"scale": np.nan})
infinite_scale = dense({"scale": np.inf})
denormal_scale = dense({"scale": 1e-42})
scale_of_two_numbers = dense({"scale": [1.0, 1.0, 1.0, 1.0], "zero": [0, 0, 0, 0]})
scale_of_one_number_in_a_row = dense({"scale": [1.0], "zero": [0]})
other_scale_behind = dense({"other_scale": 0.5})
other_zero_behind = dense({"other_zero": 3})
signed_codes = dense({"kind": np.int8, "zero": -128})
codes_of_16_bits = dense({"kind": np.uint16})
zero_weight_scale = dense((), {"scale": 0.0})
negative_weight_scale = dense((), {"scale": -1.0})
nan_weight_scale = dense((), {"scale": np.nan})
weight_scale_of_rows = dense((), {"scale": [1, 2, 4, 8], "zero": [0, 0, 0, 0], "axis": 0})
weight_scale_of_columns = dense((), {"scale": [1, 2, 4], "zero": [0, 0, 0], "axis": 1})
weight_scale_of_a_far_axis = dense((), {"scale": [1, 2, 4], "zero": [0, 0, 0], "axis": 5})
weight_scale_of_too_many = dense((), {"scale": [1] * 7, "zero": [0] * 7, "axis": 1})
weight_zero_of_another_shape = dense((), {"scale": [1, 2, 4], "zero": 0, "axis": 1})
weight_codes_beyond_int8 = dense((), {"zero": -128})


def zero_point_of_another_type(way):
    odd = Quantized()
    odd.pair(odd.takes("x"))
    odd.constant("p.z", 0, np.int8)
    odd.constant("u", 0, np.uint8)
    odd.nodes[0].input[2] = "u"
    odd.add("MatMul", ["p.d", odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def zero_point_of_a_float(way):
    odd = Quantized()
    odd.pair(odd.takes("x"))
    odd.constant("p.z", 0.0)
    odd.add("MatMul", ["p.d", odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def no_zero_point(way):
    odd = Quantized()
    odd.constant("s", 1.0)
    odd.add("QuantizeLinear", [odd.takes("x"), "s"], "q")
    odd.add("DequantizeLinear", ["q", "s", ""], "d")
    odd.add("MatMul", ["d", odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def scale_that_is_given(way):
    odd = Quantized()
    odd.takes("s", (), FLOAT)
    odd.add("QuantizeLinear", [odd.takes("x"), "s"], "q")
    odd.add("DequantizeLinear", ["q", "s"], "d")
    odd.add("MatMul", ["d", odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def codes_that_are_given(way):
    odd = Quantized()
    odd.takes("x", ("batch", 4), UINT8)
    odd.constant("s", 1.0)
    odd.add("DequantizeLinear", ["x", "s"], "d")
    odd.add("MatMul", ["d", odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def codes_that_leave(way):
    odd = Quantized()
    odd.add("MatMul", [odd.pair(odd.takes("x")), odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).gives("p.q", ["batch", 4], UINT8).proto()


def image_of_no_shape(way):
    """A convolution between pairs of whose input nothing is known."""
    odd = Quantized()
    odd.takes("x", ("n", 3, 4, 4)), odd.takes("sizes", (4,), onnx.TensorProto.INT64)
    odd.inputs[0].type.tensor_type.ClearField("shape")
    odd.add("Conv", [odd.pair("x"), odd.codes(5, 3, 1, 1)], "h")
    odd.add("Relu", [odd.pair("h", scale=1000.0, name="r")], "y")
    return odd.gives("y").proto()


def image_behind_an_unknown_reshape(way):
    odd = Quantized()
    odd.takes("x", ("n", 48)), odd.takes("sizes", ("rank",), onnx.TensorProto.INT64)
    odd.add("Reshape", ["x", "sizes"], "image")
    odd.add("Conv", [odd.pair("image"), odd.codes(5, 3, 1, 1)], "h")
    odd.add("Relu", [odd.pair("h", scale=1000.0, name="r")], "y")
    return odd.gives("y").proto()


def pair_of_a_constant(way):
    odd = Quantized()
    odd.floats("c", 4, 3)
    odd.pair("c", kind=np.int8, name="cw")
    odd.add("MatMul", [odd.pair(odd.takes("x")), "cw.d"], "y")
    return odd.gives("y", ["batch", 3]).proto()


def pairs_in_a_branch(way):
    odd = Quantized()
    odd.add("MatMul", [odd.pair(odd.takes("x")), odd.codes(4, 3)], "y")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "p.s", "p.z"], ["iq"]),
        helper.make_node("DequantizeLinear", ["iq", "p.s", "p.z"], ["id"]),
    ]
    inside = helper.make_graph(nodes, "b", [], [helper.make_tensor_value_info("id", FLOAT, None)])
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    odd.add("If", ["choice"], "z", then_branch=inside, else_branch=inside)
    return odd.gives("y", ["batch", 3]).gives("z").proto()


def codes_cut_upside_down(way):
    odd = Quantized()
    odd.constant("s", 1.0), odd.constant("z", 0, np.uint8)
    odd.constant("low", 200, np.uint8), odd.constant("high", 100, np.uint8)
    odd.add("QuantizeLinear", [odd.takes("x"), "s", "z"], "q")
    odd.add("Clip", ["q", "low", "high"], "cut")
    odd.add("DequantizeLinear", ["cut", "s", "z"], "d")
    odd.add("MatMul", ["d", odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def quantized_twice(way):
    odd = Quantized()
    odd.pair(odd.takes("x")), odd.pair("p.d", name="again")
    odd.add("MatMul", ["again.d", odd.codes(4, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def empty_codes(way):
    odd = Quantized()
    odd.add("MatMul", [odd.pair(odd.takes("x")), odd.codes(4, 0)], "y")
    return odd.gives("y", ["batch", 0]).proto()
