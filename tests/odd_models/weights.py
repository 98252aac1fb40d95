"""Odd weights: where they come from, who else reads them, of which type and shape they are."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.odd_models.models import ENTRIES, FLOAT, Odd, dense


def through(op_type, *shape, operands=(), **attributes):
    """A weight [4, 3] that is ``op_type`` of a constant."""

    def make(way):
        odd = Odd()
        weight = odd.weight(way, *shape, name="before")
        for name, array in operands:
            odd.constant(name, array, np.int64)
        odd.add(op_type, [weight, *(name for name, _ in operands)], "w.weight", **attributes)
        odd.add("MatMul", [odd.takes("x"), "w.weight"], "y")
        return odd.gives("y", ["batch", 3]).proto()

    return make


identity = through("Identity", 4, 3)
twice_turned = through("Transpose", 3, 4, perm=[1, 0])
reshaped = through("Reshape", 1, 4, 3, operands=[("shape", [4, 3])])
reshaped_by_zero = through("Reshape", 4, 3, operands=[("shape", [0, -1])])
cast = through("Cast", 4, 3, to=FLOAT)
squeezed = through("Squeeze", 1, 4, 3, operands=[("axes", [0])])
unsqueezed = through("Unsqueeze", 4, 3, operands=[("axes", [0])])
sliced = through("Slice", 5, 3, operands=[("starts", [0]), ("ends", [4])])
reshaped_wrongly = through("Reshape", 4, 3, operands=[("shape", [5, 3])])


def constant_node(**given):
    """A weight [4, 3] that a Constant node gives."""

    def make(way):
        odd = Odd()
        odd.takes("x")
        if way == "packed":
            odd.constant("table", ENTRIES)
            odd.add("Constant", [], "indices", value=numpy_helper.from_array(np.array([[3, 3, 3]] + [[3, 1, 2]] * 3)))
            odd.add("Gather", ["table", "indices"], "w.weight")
        else:
            odd.add("Constant", [], "w.weight", **given)
        odd.add("MatMul", ["x", "w.weight"], "y")
        return odd.gives("y", ["batch", 3]).proto()

    return make


NUMBERS = np.array([[127, 127, 127], [127, 0, 5], [127, 5, 0], [127, -127, 3]], np.float32)
from_a_constant_node = constant_node(value=numpy_helper.from_array(NUMBERS, "c"))


def from_floats_of_a_constant_node(way):
    odd = Odd()
    odd.constant("shape", [4, 3], np.int64)
    odd.add("Constant", [], "flat", value_floats=NUMBERS.reshape(-1).tolist())
    odd.add("Reshape", ["flat", "shape"], "w.weight")
    odd.add("MatMul", [odd.takes("x"), "w.weight"], "y")
    return odd.gives("y", ["batch", 3]).proto()


def one_float_of_a_constant_node(way):
    odd = dense(way)
    odd.add("Constant", [], "two", value_float=2.0)
    odd.add("Mul", ["y", "two"], "z")
    return odd.gives("z").proto()


def sparse_constant(way):
    values = helper.make_tensor("v", FLOAT, [2], [127, 127])
    indices = helper.make_tensor("i", onnx.TensorProto.INT64, [2], [0, 4])
    odd = dense(way)
    odd.add("Constant", [], "s", sparse_value=helper.make_sparse_tensor(values, indices, [4, 3]))
    odd.add("MatMul", ["x", "s"], "z")
    return odd.gives().gives("z").proto()


def constant_node_without_a_value(way):
    odd = dense(way)
    odd.add("Constant", [], "nothing")
    odd.add("Add", ["y", "nothing"], "z")
    return odd.gives("z").proto()


def weight_that_callers_may_replace(way):
    """An initializer that is an input as well: its value is only what is taken if a caller gives none."""
    odd = Odd()
    odd.takes("x"), odd.takes("w.weight", (4, 3))
    odd.floats("w.weight", 4, 3)
    odd.add("MatMul", ["x", "w.weight"], "y")
    return odd.gives().proto()


def replaceable_weight_beside_a_layer(way):
    odd = dense(way)
    odd.takes("v.weight", (4, 3))
    odd.floats("v.weight", 4, 3)
    odd.add("MatMul", ["x", "v.weight"], "z")
    return odd.gives().gives("z").proto()


def all_initializers_are_inputs(way):
    """As old exporters wrote them, with the IR version of their time."""
    odd = Odd(ir_version=3)
    odd.takes("x")
    weight = odd.weight(way, 4, 3)
    for name, tensor in odd.tensors.items():
        odd.takes(name, tuple(tensor.dims), tensor.data_type)
    odd.add("MatMul", ["x", weight], "y")
    return odd.gives().proto()


def weight_of_two_layers(way):
    odd = dense(way)
    odd.add("MatMul", ["x", "w.weight"], "z")
    return odd.gives().gives("z").proto()


def weight_of_a_layer_and_its_transpose(way):
    odd = Odd()
    odd.takes("x")
    weight = odd.weight(way, 4, 4)
    odd.add("Gemm", ["x", weight], "y")
    odd.add("Gemm", ["x", weight], "z", transB=1)
    return odd.gives().gives("z").proto()


def weight_that_something_else_reads(way):
    odd = dense(way)
    odd.add("Abs", ["w.weight"], "size")
    return odd.gives().gives("size", [4, 3]).proto()


def weight_times_itself(way):
    odd = dense(way).gives()
    odd.add("Transpose", ["w.weight"], "turned")
    odd.add("MatMul", ["w.weight", "turned"], "z")
    return odd.gives("z", [4, 4]).proto()


def both_sides_constant(way):
    odd = dense(way).gives()
    odd.constant("left", [[255, 0, 3, 4], [0, 255, 7, 9]])
    odd.add("MatMul", ["left", "w.weight"], "z")
    return odd.gives("z", [2, 3]).proto()


def weight_on_the_left(way):
    odd = Odd()
    odd.add("MatMul", [odd.weight(way, 3, 2), odd.takes("x", (2, 4))], "y")
    return odd.gives("y", [3, 4]).proto()


def vector(way):
    odd = dense(way).gives()
    odd.floats("v", 4)
    odd.add("MatMul", ["x", "v"], "z")
    return odd.gives("z", ["batch"]).proto()


def codebook_vector(way):
    odd = dense(way).gives()
    odd.lookup("v", 4)
    odd.add("MatMul", ["x", "v"], "z")
    return odd.gives("z", ["batch"]).proto()


def stack_of_matrices(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x", ("n", 2, 4, 4)), odd.weight(way, 2, 4, 3)], "y")
    return odd.gives().proto()


def sizes_that_do_not_fit(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 5, 3)], "y")
    return odd.gives("y", ["batch", 3]).proto()


def of_type(kind):
    """A float weight of another type beside a layer, cast before it is used."""

    def make(way):
        odd = dense(way).gives()
        odd.tensors["h"] = helper.make_tensor("h", kind, [4, 3], NUMBERS.reshape(-1).tolist())
        odd.add("Cast", ["h"], "h.weight", to=FLOAT)
        odd.add("MatMul", ["x", "h.weight"], "z")
        return odd.gives("z").proto()

    return make


half_weight = of_type(onnx.TensorProto.FLOAT16)
bfloat16_weight = of_type(onnx.TensorProto.BFLOAT16)
double_weight = of_type(onnx.TensorProto.DOUBLE)


def network_of_type(kind):
    """A layer all of which is of another type."""

    def make(way):
        odd = Odd()
        odd.takes("x", ("batch", 4), kind)
        odd.tensors["w"] = helper.make_tensor("w", kind, [4, 3], NUMBERS.reshape(-1).tolist())
        odd.add("MatMul", ["x", "w"], "y")
        return odd.gives("y", ["batch", 3], kind).proto()

    return make


half_network = network_of_type(onnx.TensorProto.FLOAT16)
double_network = network_of_type(onnx.TensorProto.DOUBLE)


def with_value(number):
    """A float weight, or a codebook, with ``number`` in it, beside a layer."""

    def make(way):
        odd = dense(way).gives()
        if way == "packed":
            table = ENTRIES.copy()
            table[1] = number
            weight = odd.lookup("v.weight", 4, 3, table=table)
        else:
            weight = odd.floats("v.weight", 4, 3)
            array = numpy_helper.to_array(odd.tensors[weight]).copy()
            array[1, 1] = number
            odd.constant(weight, array)
        odd.add("MatMul", ["x", weight], "z")
        return odd.gives("z").proto()

    return make


nan_weight = with_value(np.nan)
infinite_weight = with_value(np.inf)
largest_weight = with_value(3.4e38)
denormal_weight = with_value(1e-42)


def zero_weight(way):
    odd = dense(way).gives()
    odd.constant("v.weight", np.zeros((4, 3)))
    odd.add("MatMul", ["x", "v.weight"], "z")
    return odd.gives("z").proto()


def nan_bias(way):
    odd = Odd()
    odd.constant("b", [np.nan, 1, 2])
    odd.add("Gemm", [odd.takes("x"), odd.weight(way, 4, 3), "b"], "y")
    return odd.gives().proto()


def index_outside(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3)
    odd.constant("w.weight.indices", np.full((4, 3), 4), np.int32)
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives().proto()


def index_far_below(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3)
    odd.constant("w.weight.indices", np.full((4, 3), -(2**31)), np.int32)
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives().proto()


def index_from_the_end(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3)
    odd.constant("w.weight.indices", np.array([[-1, -1, -1]] + [[-1, -2, -3]] * 3), np.int32)
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives().proto()


def large_codebook(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3, table=np.arange(257))
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives().proto()


def codebook_of_one(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3, table=np.array([127.0]))
    odd.constant("w.weight.indices", np.zeros((4, 3)), np.int32)
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives().proto()


def empty_codebook(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3, table=np.zeros(0))
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives().proto()


def codebook_that_callers_may_replace(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3)
    odd.takes("w.weight.codebook", (4,))
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives().proto()


def indices_that_are_given(way):
    odd = Odd()
    weight = odd.lookup("w.weight", 4, 3)
    del odd.tensors["w.weight.indices"]
    odd.takes("w.weight.indices", (4, 3), onnx.TensorProto.INT32)
    odd.add("MatMul", [odd.takes("x"), weight], "y")
    return odd.gives("y", ["batch", 3]).proto()


def shape_not_as_declared(way):
    """The input that an initializer stands for says another shape."""
    odd = Odd()
    odd.takes("x"), odd.takes("w.weight", (7, 7))
    odd.floats("w.weight", 4, 3)
    odd.add("MatMul", ["x", "w.weight"], "y")
    return odd.gives().proto()


def output_shape_not_as_computed(way):
    return dense(way).gives("y", [9, 9]).proto()


def tensor_without_a_type(way):
    model = dense(way).gives().proto()
    model.graph.initializer.add(name="u", dims=[2])
    return model


def tensor_of_an_unknown_type(way):
    model = dense(way).gives().proto()
    model.graph.initializer.add(name="u", dims=[1], data_type=99, raw_data=b"1")
    return model


def tensor_without_a_name(way):
    model = dense(way).gives().proto()
    model.graph.initializer.add(dims=[1], data_type=1, float_data=[1.0])
    return model


def too_few_typed_numbers(way):
    model = dense(way).gives().proto()
    model.graph.initializer.add(name="u", dims=[3], data_type=1, float_data=[1.0])
    return model


def bytes_and_numbers_at_once(way):
    model = dense(way).gives().proto()
    model.graph.initializer[0].float_data.append(1.0)
    return model


def huge_empty_tensor(way):
    """No element at all, though one axis is long."""
    model = dense(way).gives().proto()
    model.graph.initializer.add(name="u", dims=[2**40, 0], data_type=1, raw_data=b"")
    model.graph.node.append(helper.make_node("Identity", ["u"], ["v"]))
    model.graph.output.append(helper.make_tensor_value_info("v", FLOAT, None))
    return model


def segment_of_a_tensor(way):
    model = dense(way).gives().proto()
    model.graph.initializer[0].segment.begin = 1
    return model


def identity_of_an_output(way):
    odd = dense(way).gives()
    odd.add("Identity", ["y"], "z")
    return odd.gives("z").proto()


def identity_of_an_input(way):
    odd = dense(way).gives()
    odd.add("Identity", ["x"], "z")
    return odd.gives("z", ["batch", 4]).proto()
