import numpy as np
import pytest
from onnx.helper import make_node

from qcompile.passes.fuse_pads import FusePads


def padded(
    tools,
    zeros=(0, 0, 0, 1, 0, 0, 1, 2),
    *,
    channels=2,
    before=(),
    followers=(),
    outputs=("y",),
    value=None,
    **convolution,
):
    """``before``, which gives a, or else x [b, 2, 6, 7]; a Pad, a Conv with stride 2, and ``followers``."""
    rng = np.random.default_rng(0)
    tensors = {"weight": rng.normal(size=(4, channels, 3, 3)).astype(np.float32), "pads": np.array(zeros)}
    if value is not None:
        tensors["value"] = np.float32(value)
    nodes = [
        *before,
        make_node(
            "Pad", ["a" if before else "x", "pads", *(["value"] if value is not None else [])], ["p"], name="pad"
        ),
        make_node("Conv", ["p", "weight"], ["y"], strides=[2, 2], **convolution),
        *followers,
    ]
    return tools.infer(tools.make_model(nodes, tensors, ["b", 2, 6, 7], outputs))


@pytest.mark.parametrize("convolution", [{}, {"pads": [0, 1, 2, 0]}, {"auto_pad": "VALID"}, {"auto_pad": "NOTSET"}])
@pytest.mark.parametrize("value", [None, 0.0])
def test_a_convolution_takes_the_zeros_over(tools, convolution, value):
    model = padded(tools, value=value, **convolution)
    fused = tools.apply(FusePads(), model)
    [node] = fused.graph
    own = convolution.get("pads", [0, 0, 0, 0])
    assert node.attributes.get_ints("pads") == tuple(np.add(own, [0, 1, 1, 2]))
    assert set(fused.graph.initializers) == {"weight"}
    tools.assert_same_numbers(model, fused)


def test_several_pads_join_one_convolution(tools):
    model = padded(tools, before=[make_node("Pad", ["x", "pads"], ["a"])])
    [node] = tools.apply(FusePads(), model).graph
    assert node.attributes.get_ints("pads") == (0, 2, 2, 4)


def test_one_dimension(tools):
    tensors = {"weight": np.ones((4, 2, 3), np.float32), "pads": np.array([0, 0, 1, 0, 0, 2])}
    nodes = [make_node("Pad", ["x", "pads"], ["p"]), make_node("Conv", ["p", "weight"], ["y"])]
    model = tools.infer(tools.make_model(nodes, tensors, ["b", 2, 6]))
    fused = tools.apply(FusePads(), model)
    assert fused.graph[0].attributes.get_ints("pads") == (1, 2)
    tools.assert_same_numbers(model, fused)


def test_a_pad_that_convolutions_share_stays(tools):
    other = make_node("Conv", ["p", "weight"], ["z"])
    tools.apply(FusePads(), padded(tools, followers=[other], outputs=("y", "z")), modified=False)


@pytest.mark.parametrize(
    "options",
    [
        {"zeros": (0, 1, 0, 0, 0, 1, 0, 0), "channels": 4},
        {"zeros": (1, 0, 0, 0, 0, 0, 0, 0)},
        {"zeros": (0, 0, -1, 0, 0, 0, 1, 0)},
        {"value": 1.0},
        {"auto_pad": "SAME_UPPER"},
        {"outputs": ("y", "p")},
    ],
)
def test_leaves_alone(tools, options):
    tools.apply(FusePads(), padded(tools, **options), modified=False)
