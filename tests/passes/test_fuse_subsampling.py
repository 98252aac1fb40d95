import numpy as np
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.passes.fuse_subsampling import FuseSubsampling

END = 2**63 - 1


def subsampling(tools, pads=(0, 1, 0, 0, 0, 2, 0, 0), axes=((2,), (3,)), steps=2, x_shape=("b", 3, 6, 7), **options):
    """A Slice for each of ``axes``, then a Pad."""
    starts, ends, followers = options.get("starts", 0), options.get("ends", END), options.get("followers", [])
    nodes, tensors, value = [], {"pads": np.array(pads)}, "x"
    if "value" in options:
        tensors["value"] = np.float32(options["value"])
    for number, cut in enumerate(axes):
        one = np.ones(len(cut), np.int64)
        operands = {"starts": starts * one, "ends": ends * one, "axes": np.array(cut), "steps": steps * one}
        tensors |= {f"{name}{number}": array for name, array in operands.items()}
        nodes.append(make_node("Slice", [value, *(f"{name}{number}" for name in operands)], [f"s{number}"]))
        value = f"s{number}"
    mode = {"mode": options["mode"]} if "mode" in options else {}
    inputs = [value, "pads", *(["value"] if "value" in options else [])]
    nodes += [make_node("Pad", inputs, ["y"], name="pad", **mode), *followers]
    outputs = options.get("outputs", ("y",))
    return tools.infer(tools.make_model(nodes, tensors, list(x_shape), outputs, opset=options.get("opset", 18)))


@pytest.mark.parametrize("axes", [((2,), (3,)), ((2, 3),), ((-1,), (-2,))])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 2), (0, 3)])
@pytest.mark.parametrize("steps", [2, 3])
def test_fuses_a_strided_slice_and_a_pad(tools, axes, before, after, steps):
    model = subsampling(tools, (0, before, 0, 0, 0, after, 0, 0), axes, steps)
    fused = tools.apply(FuseSubsampling(), model)
    [node] = fused.graph
    assert node.op_type == "CodebookConv"
    assert node.attributes["strides"].as_ints() == (steps, steps)
    assert node.attributes["weight_shape"].as_ints() == (before + 3 + after, 3, 1, 1)
    feeds = tools.feeds(model)
    [wanted], [found] = (tools.run_onnxruntime(m, feeds) for m in (model, fused))
    np.testing.assert_array_equal(found, wanted)  # products with 0 and 1 are exact


def test_slices_of_one_axis_multiply(tools):
    fused = tools.apply(FuseSubsampling(), subsampling(tools, axes=((2,), (2,), (3,)), x_shape=("b", 3, 9, 9)))
    assert fused.graph[0].attributes["strides"].as_ints() == (4, 2)


@pytest.mark.parametrize("value", [0.0, -0.0])
def test_zeros_that_are_written_out_are_zeros(tools, value):
    tools.apply(FuseSubsampling(), subsampling(tools, value=value))


def test_a_slice_that_others_read_stays(tools):
    model = subsampling(tools, followers=[make_node("Relu", ["s0"], ["z"])], outputs=("y", "z"))
    fused = tools.apply(FuseSubsampling(), model)
    assert sorted(tools.op_types(fused)) == ["CodebookConv", "Relu", "Slice"]
    assert next(n for n in fused.graph if n.op_type == "CodebookConv").attributes["strides"].as_ints() == (1, 2)
    for wanted, found in zip(*(tools.run_onnxruntime(m, tools.feeds(model)) for m in (model, fused)), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "change",
    [
        {"pads": (0, 1, 0, 0, 1, 2, 0, 0)},
        {"pads": (0, 1, 1, 0, 0, 2, 0, 0)},
        {"pads": (0, -1, 0, 0, 0, 2, 0, 0)},
        {"value": 1.0},
        {"value": np.nan},
        {"mode": "reflect", "pads": (0, 1, 0, 0, 0, 1, 0, 0)},
        {"starts": 1},
        {"ends": 4},
        {"steps": -1, "starts": -1, "ends": -END},
        {"axes": ((1,), (2,))},
        {"steps": 1},
        {"axes": ()},
        {"x_shape": ("b", 3, 6, 7, 5), "pads": (0, 1, 0, 0, 0, 0, 2, 0, 0, 0)},
        {"x_shape": ("b", "c", 6, 7)},
    ],
)
def test_leaves_alone(tools, change):
    tools.apply(FuseSubsampling(), subsampling(tools, **change), modified=False)


def test_leaves_a_pad_of_old_opsets_alone(tools):
    node = make_node("Pad", ["x"], ["y"], pads=[0, 1, 0, 0, 0, 2, 0, 0])
    tools.apply(FuseSubsampling(), tools.infer(tools.make_model([node], {}, ["b", 3, 6, 7], opset=9)), modified=False)


def test_a_computed_pad_stays(tools):
    nodes = [make_node("Shape", ["x"], ["s"]), make_node("Concat", ["s", "s"], ["p"], axis=0)]
    nodes.append(make_node("Pad", ["x", "p"], ["y"]))
    tools.apply(FuseSubsampling(), tools.infer(tools.make_model(nodes, {}, ["b", 3, 6, 7])), modified=False)


def test_ensures_that_nothing_is_left(tools):
    with pytest.raises(ir.passes.PostconditionError, match="pad: was not fused"):
        FuseSubsampling().ensures(subsampling(tools))
