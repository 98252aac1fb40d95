"""Odd attributes of layers."""

import numpy as np
import onnx
from onnx import helper

from tests.odd_models.models import FLOAT, Odd, dense

HUGE = 2**40


def conv(*, shape=(5, 3, 1, 1), x=("n", 3, 4, 4), **attributes):
    """A convolution with ``attributes``."""

    def make(way):
        odd = Odd()
        odd.add("Conv", [odd.takes("x", x), odd.weight(way, *shape)], "y", **attributes)
        return odd.gives().proto()

    return make


plain = conv()
one_axis = conv(shape=(5, 3, 2), x=("n", 3, 6))
three_axes = conv(shape=(5, 3, 1, 1, 1), x=("n", 3, 2, 2, 2))
no_axes = conv(shape=(5, 3), x=("n", 3))
kernel_not_of_the_weight = conv(kernel_shape=[3, 3])
kernel_huge = conv(kernel_shape=[HUGE, HUGE])
kernel_negative = conv(kernel_shape=[-1, -1])
kernel_of_one_axis = conv(kernel_shape=[1])
strides_zero = conv(strides=[0, 0])
strides_negative = conv(strides=[-1, -1])
strides_huge = conv(strides=[HUGE, HUGE])
strides_of_three_axes = conv(strides=[1, 1, 1])
dilations_zero = conv(dilations=[0, 0])
dilations_huge = conv(shape=(5, 3, 2, 2), dilations=[HUGE, HUGE])
pads_negative = conv(pads=[-1, -1, -1, -1])
pads_huge = conv(pads=[HUGE, HUGE, HUGE, HUGE])
pads_too_few = conv(pads=[1, 1])
pads_beyond_64_bits = conv(pads=[2**62, 2**62, 2**62, 2**62])
group_zero = conv(group=0)
group_negative = conv(group=-1)
group_that_does_not_divide = conv(group=2)
group_huge = conv(group=HUGE)
group_of_three = conv(shape=(6, 1, 1, 1), group=3)
auto_pad_unknown = conv(auto_pad="SOMEHOW")
auto_pad_same = conv(shape=(5, 3, 3, 3), auto_pad="SAME_UPPER")
auto_pad_same_of_free_sizes = conv(shape=(5, 3, 3, 3), x=("n", 3, "h", "w"), auto_pad="SAME_UPPER")
pads_and_auto_pad = conv(auto_pad="VALID", pads=[1, 1, 1, 1])
kernel_larger_than_the_image = conv(shape=(5, 3, 7, 7))
channels_that_do_not_fit = conv(x=("n", 4, 4, 4))


def attribute_of_the_wrong_type(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, 4, 4)), odd.weight(way, 5, 3, 1, 1)], "y", strides="two")
    return odd.gives().proto()


def attribute_that_does_not_exist(way):
    odd = Odd()
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "y", colour="red")
    return odd.gives().proto()


def attribute_twice(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, 4, 4)), odd.weight(way, 5, 3, 1, 1)], "y", group=1)
    odd.nodes[-1].attribute.append(helper.make_attribute("group", 3))
    return odd.gives().proto()


def attribute_by_reference_outside_a_function(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, 4, 4)), odd.weight(way, 5, 3, 1, 1)], "y")
    odd.nodes[-1].attribute.append(
        onnx.AttributeProto(name="group", ref_attr_name="outer", type=onnx.AttributeProto.INT)
    )
    return odd.gives().proto()


def gemm(bias=None, shape=(4, 3), x=("batch", 4), **attributes):
    """A Gemm with ``attributes``."""

    def make(way):
        odd = Odd()
        operands = [odd.takes("x", x), odd.weight(way, *shape)]
        if bias is not None:
            operands.append(odd.constant("b", bias))
        odd.add("Gemm", operands, "y", **attributes)
        return odd.gives().proto()

    return make


alpha_two = gemm(alpha=2.0)
alpha_zero = gemm(alpha=0.0)
alpha_negative = gemm(alpha=-0.5)
alpha_nan = gemm(alpha=float("nan"))
alpha_infinite = gemm(alpha=float("inf"))
alpha_huge = gemm(alpha=3e38)
beta_two = gemm(bias=[1, 2, 3], beta=2.0)
beta_zero = gemm(bias=[1, 2, 3], beta=0.0)
beta_infinite = gemm(bias=[1, 2, 3], beta=float("inf"))
trans_a = gemm(transA=1, x=(4, 2))
trans_b = gemm(shape=(3, 4), transB=1)
trans_b_of_seven = gemm(shape=(3, 4), transB=7)
bias_of_one_number = gemm(bias=[5])
bias_of_rows = gemm(bias=[[1], [2]], x=(2, 4))
bias_of_a_row = gemm(bias=[[1, 2, 3]])
bias_that_does_not_fit = gemm(bias=[1, 2, 3, 4, 5])
bias_without_axes = gemm(bias=7)


def computed_bias(way):
    odd = Odd()
    odd.add("Gemm", [odd.takes("x"), odd.weight(way, 4, 3), odd.takes("b", (3,))], "y")
    return odd.gives().proto()


def too_many_operands(way):
    odd = Odd()
    odd.constant("b", [0, 0, 0])
    odd.add("Gemm", [odd.takes("x"), odd.weight(way, 4, 3), "b", "b"], "y")
    return odd.gives().proto()


def too_few_operands(way):
    odd = Odd()
    odd.weight(way, 4, 3)
    odd.add("MatMul", [odd.takes("x")], "y")
    return odd.gives().proto()


def missing_operand(way):
    odd = Odd()
    odd.add("MatMul", ["", odd.weight(way, 4, 3)], "y")
    return odd.gives().proto()


def missing_weight(way):
    odd = dense(way).gives()
    odd.add("MatMul", ["x", ""], "z")
    return odd.gives("z").proto()


def unknown_cast(way):
    odd = dense(way)
    odd.add("Cast", ["y"], "z", to=99)
    return odd.gives("z").proto()


def normalization_of_other_channels(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, 4, 4)), odd.weight(way, 5, 3, 1, 1)], "h")
    for name in ("gain", "offset", "mean", "variance"):
        odd.constant(name, np.ones(4))
    odd.add("BatchNormalization", ["h", "gain", "offset", "mean", "variance"], "y")
    return odd.gives().proto()


def normalization_with_negative_variance(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, 4, 4)), odd.weight(way, 5, 3, 1, 1)], "h")
    for name, number in (("gain", 1), ("offset", 0), ("mean", 0), ("variance", -4)):
        odd.constant(name, np.full(5, number))
    odd.add("BatchNormalization", ["h", "gain", "offset", "mean", "variance"], "y")
    return odd.gives().proto()


def clip_upside_down(way):
    odd = dense(way)
    odd.constant("low", 255), odd.constant("high", 0)
    odd.add("Clip", ["y", "low", "high"], "h")
    odd.add("MatMul", ["h", odd.weight(way, 3, 3, name="v.weight")], "z")
    return odd.gives("z").proto()


def clip_at_nan(way):
    odd = dense(way)
    odd.constant("low", np.nan)
    odd.add("Clip", ["y", "low"], "z")
    return odd.gives("z").proto()


def pool_with_odd_attributes(**attributes):
    def make(way):
        odd = Odd()
        odd.add("Conv", [odd.takes("x", ("n", 3, 4, 4)), odd.weight(way, 5, 3, 1, 1)], "h")
        odd.add("MaxPool", ["h"], "p", **attributes)
        odd.add("Conv", ["p", odd.weight(way, 5, 5, 1, 1, name="v.weight")], "y")
        return odd.gives().proto()

    return make


pool_zero = pool_with_odd_attributes(kernel_shape=[0, 0])
pool_negative = pool_with_odd_attributes(kernel_shape=[-1, -1])
pool_huge = pool_with_odd_attributes(kernel_shape=[HUGE, HUGE])
pool_strides_zero = pool_with_odd_attributes(kernel_shape=[2, 2], strides=[0, 0])
pool_pads_huge = pool_with_odd_attributes(kernel_shape=[2, 2], pads=[HUGE] * 4)
pool_dilations_zero = pool_with_odd_attributes(kernel_shape=[2, 2], dilations=[0, 0])


def means_along_odd_axes(way):
    odd = Odd()
    odd.add("Conv", [odd.takes("x", ("n", 3, 4, 4)), odd.weight(way, 5, 3, 1, 1)], "h")
    odd.constant("axes", [2, 3, 2], np.int64)
    odd.add("ReduceMean", ["h", "axes"], "y")
    return odd.gives().proto()


def concat_along_a_far_axis(way):
    odd = dense(way)
    odd.add("Concat", ["y", "y"], "h", axis=7)
    odd.add("MatMul", ["h", odd.weight(way, 6, 3, name="v.weight")], "z")
    return odd.gives("z").proto()


def flatten_at_a_far_axis(way):
    odd = dense(way)
    odd.add("Flatten", ["y"], "h", axis=-9)
    odd.add("MatMul", ["h", odd.weight(way, 3, 3, name="v.weight")], "z")
    return odd.gives("z").proto()


def transpose_of_too_few_axes(way):
    odd = dense(way)
    odd.add("Transpose", ["y"], "h", perm=[0])
    odd.add("MatMul", ["h", odd.weight(way, 3, 3, name="v.weight")], "z")
    return odd.gives("z").proto()


def transposed_weight_of_too_few_axes(way):
    odd = Odd()
    odd.weight(way, 4, 3, name="before")
    odd.add("Transpose", ["before"], "w.weight", perm=[0, 0])
    odd.add("MatMul", [odd.takes("x"), "w.weight"], "y")
    return odd.gives().proto()


def branches_of_one_output_each(way):
    """An If whose branches give another number of outputs than it."""
    odd = dense(way).gives()
    odd.takes("choice", (), onnx.TensorProto.BOOL)
    inside = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["n"])], "b", [], [helper.make_tensor_value_info("n", FLOAT, None)]
    )
    odd.add("If", ["choice"], ["a", "b"], then_branch=inside, else_branch=inside)
    return odd.gives("a").gives("b").proto()
