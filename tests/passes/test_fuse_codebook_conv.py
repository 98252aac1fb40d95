import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node

from qcompile.errors import ModelError
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.left_alone import list_left_alone


def conv_model(tools, rng, shape, x_shape, *, entries=5, groups=1, bias=True, **attributes):
    nodes, tensors, _ = tools.make_lookup(rng, shape, entries, groups, layer="conv")
    inputs = ["x", "conv.weight"]
    if bias:
        tensors["conv.bias"] = rng.standard_normal(shape[0]).astype(np.float32)
        inputs.append("conv.bias")
    return tools.make_model(
        [*nodes, make_node("Conv", inputs, ["y"], name="node_conv", **attributes)], tensors, x_shape
    )


@pytest.mark.parametrize(
    ("shape", "x_shape", "groups", "attributes"),
    [
        ((4, 3, 3, 3), ["b", 3, 7, 6], 1, {}),
        ((4, 3, 3, 2), ["b", 3, 7, 6], 4, {"strides": [2, 1], "pads": [1, 0, 2, 1]}),
        ((4, 3, 3, 3), ["b", 3, 9, 9], 2, {"dilations": [2, 3], "kernel_shape": [3, 3]}),
        ((6, 2, 3, 3), ["b", 4, 5, 5], 3, {"group": 2, "pads": [1, 1, 1, 1]}),
        ((6, 1, 3, 3), ["b", 6, 5, 5], 6, {"group": 6, "auto_pad": "VALID"}),
        ((4, 3, 5), ["b", 3, 11], 1, {"strides": [3], "pads": [0, 2]}),
        ((6, 1, 3), ["b", 3, 8], 2, {"group": 3, "dilations": [2]}),
        ((4, 3, 3, 2), [2, 3, 8, 7], 1, {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
        ((4, 3, 4, 2), [2, 3, 8, 7], 1, {"auto_pad": "SAME_LOWER", "strides": [1, 2]}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_fuses_conv(tools, rng, shape, x_shape, groups, attributes, bias):
    before = conv_model(tools, rng, shape, x_shape, groups=groups, bias=bias, **attributes)
    after = tools.apply(FuseCodebookConv(), before)
    [node] = after.graph
    assert (node.op_type, node.name) == ("CodebookConv", "conv")
    assert set(node.attributes) == {"bits", "weight_shape", "strides", "pads", "dilations", "group"}
    assert [value.name for value in node.inputs] == [
        *("x", "conv.weight.indices", "conv.weight.codebook", "absent"),
        "conv.bias" if bias else "absent",
    ]
    tools.assert_same_numbers(before, after)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.data())
def test_auto_pad_same_means_what_onnxruntime_does(tools, data):
    axes = data.draw(st.integers(1, 2))
    kernel, strides, sizes = (
        data.draw(st.lists(st.integers(1, top), min_size=axes, max_size=axes)) for top in (5, 4, 9)
    )
    mode = data.draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER"]))
    rng = np.random.default_rng(1)
    before = conv_model(tools, rng, (2, 1, *kernel), [1, 1, *sizes], strides=strides, auto_pad=mode)
    tools.assert_same_numbers(before, tools.apply(FuseCodebookConv(), before))


@pytest.mark.parametrize(
    ("shape", "x_shape", "attributes", "reason"),
    [
        ((2, 1, 2, 2, 2), [1, 1, 3, 3, 3], {}, "its kernel has 3 axes"),
        ((2, 1, 3, 3), [1, 1, "h", 8], {"auto_pad": "SAME_UPPER"}, "SAME_UPPER and the size of its input is not known"),
        ((2, 1, 3), [1, 1, 9], {"auto_pad": "SAME_LOWER", "dilations": [2]}, "SAME_LOWER with dilations [2]"),
    ],
)
def test_leaves_alone_and_says_why(tools, rng, shape, x_shape, attributes, reason):
    before = conv_model(tools, rng, shape, x_shape, **attributes)
    after = tools.apply(FuseCodebookConv(), before, modified=False)
    [(name, found)] = list_left_alone(after)
    assert name == "node_conv"
    assert reason in found


def test_leaves_negative_pads_alone(tools, rng):
    before = conv_model(tools, rng, (2, 1, 3, 3), [1, 1, 8, 8], pads=[-1, 0, 0, 0])  # ONNX infers no shape for these
    assert FuseCodebookConv()(before).modified is False
    assert list_left_alone(before) == [("node_conv", "pads are [-1, 0, 0, 0]: negative ones cut the input")]


def test_leaves_a_computed_bias_alone(tools, rng):
    before = conv_model(tools, rng, (2, 1, 3, 3), [1, 1, 5, 5])
    before.graph.inputs.append(before.graph.initializers["conv.bias"])
    after = tools.apply(FuseCodebookConv(), before, modified=False)
    assert list_left_alone(after) == [("node_conv", "its bias is not constant")]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"strides": [1, 0]}, "strides"),
        ({"strides": [1]}, "strides"),
        ({"dilations": [1, 1, 1]}, "dilations"),
        ({"kernel_shape": [2, 3]}, r"do not fit the kernel \[3, 3\]"),
        ({"pads": [1, 1]}, "pads"),
        ({"group": 3}, "group 3"),
    ],
)
def test_refuses_attributes_that_do_not_fit(tools, rng, attributes, message):
    before = conv_model(tools, rng, (4, 1, 3, 3), [1, 3, 5, 5], **attributes)
    with pytest.raises(ModelError, match=f"node_conv: .*{message}"):
        FuseCodebookConv()(before)


def test_ensures_that_nothing_is_left(tools, rng):
    before = conv_model(tools, rng, (2, 1, 3, 3), [1, 1, 5, 5])
    with pytest.raises(ir.passes.PostconditionError, match="node_conv: Conv was not fused"):
        FuseCodebookConv().ensures(before)
