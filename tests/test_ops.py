"""The numpy meaning of the operators, against plain float operators of ONNX on the decoded weight."""

import math

import numpy as np
import onnx
import onnx.helper
import onnx.parser
import onnx.reference
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcompile.errors import ModelError
from qcompile.ops import check_packed_weight, codebook_conv, codebook_matmul, convolve, decode_weight
from qcompile.packing import pack_bits

UNIT_ROUNDOFF = 2.0**-24
EMPTY = np.zeros(0, np.float32)


def make_weight(shape, bits, groups, seed=0):
    """Packed indices, codebook, and the float weight looked up the plain way."""
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, 2**bits, shape).astype(np.uint8)
    codebook = np.sort(rng.standard_normal((groups, 2**bits)).astype(np.float32))
    weight = np.empty(shape, np.float32)
    for channel in range(shape[0]):
        weight[channel] = codebook[channel // (shape[0] // groups)][indices[channel]]
    return pack_bits(indices, bits), codebook, weight


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9))
def test_decodes_each_channel_with_its_own_codebook(bits, groups, channels_of_each, k):
    indices, codebook, weight = make_weight((groups * channels_of_each, k), bits, groups)
    np.testing.assert_array_equal(decode_weight(indices, codebook, bits, weight.shape), weight)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("x_shape", [(7,), (3, 7), (2, 3, 7)])
def test_codebook_matmul_is_matmul_scaled_and_shifted(x_shape, scaled, biased):
    rng = np.random.default_rng(1)
    indices, codebook, weight = make_weight((6, 7), 3, 2)
    x = rng.standard_normal(x_shape).astype(np.float32)
    scale, bias = (rng.standard_normal(6 if there else 0).astype(np.float32) for there in (scaled, biased))
    found = codebook_matmul(x, indices, codebook, scale, bias, bits=3, weight_shape=weight.shape)
    text = f"""<ir_version: 8, opset_import: ["" : 18]>
    g (float{list(x_shape)} x, float[7, 6] w, float[n] s, float[n] b) => (float[...] y)
    {{ p = MatMul (x, w)  q = Mul (p, s)  y = Add (q, b) }}""".replace("float[...] y", "float y")
    ones, zeros = np.ones(6, np.float32), np.zeros(6, np.float32)
    evaluator = onnx.reference.ReferenceEvaluator(onnx.parser.parse_model(text))
    [wanted] = evaluator.run(
        None, {"x": x, "w": weight.T, "s": scale if scaled else ones, "b": bias if biased else zeros}
    )
    # k products, their sum, the scale and the bias: k + 2 roundings of at most 2^-24 of what is summed up.
    reach = (np.abs(x) @ np.abs(weight).T) * np.abs(scale if scaled else ones) + np.abs(bias if biased else zeros)
    assert found.dtype == np.float32
    assert (np.abs(found - wanted) <= (7 + 2) * UNIT_ROUNDOFF * reach).all()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data())
def test_convolve_is_the_convolution_of_onnx(data):
    axes, group = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))

    def sizes(low, high, count=axes):
        return data.draw(st.lists(st.integers(low, high), min_size=count, max_size=count))

    kernel, strides, dilations, pads = sizes(1, 3), sizes(1, 3), sizes(1, 3), sizes(0, 3, 2 * axes)
    channels, outputs = group * data.draw(st.integers(1, 2)), group * data.draw(st.integers(1, 2))
    image = sizes(7, 10)  # at least (3 - 1) * 3 + 1: every window fits
    rng = np.random.default_rng(len(image))
    x = rng.standard_normal((2, channels, *image))
    weight = rng.standard_normal((outputs, channels // group, *kernel))
    found = convolve(x, weight, strides, pads, dilations, group)
    x, weight = x.astype(np.float32), weight.astype(np.float32)
    node = onnx.helper.make_node(
        "Conv", ["x", "w"], ["y"], strides=strides, pads=pads, dilations=dilations, group=group
    )
    wanted, reach = (run_node(node, abs_x, abs_w) for abs_x, abs_w in ((x, weight), (np.abs(x), np.abs(weight))))
    terms = math.prod(weight.shape[1:])
    assert found.shape == wanted.shape
    # Both operands were rounded to float32 for onnxruntime: two roundings more than the sum's own.
    assert (np.abs(found - wanted) <= (terms + 2) * UNIT_ROUNDOFF * 1.01 * reach).all()


def run_node(node, x, w):
    """A Conv by stock onnxruntime."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "g", [value("x", 1, x.shape), value("w", 1, w.shape)], [value("y", 1, [None] * x.ndim)]
    )
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x, "w": w})[0]


@pytest.mark.parametrize(("kernel", "image"), [((3,), (8,)), ((3, 2), (6, 7))])
def test_codebook_conv_is_the_convolution_scaled_and_shifted(kernel, image):
    rng = np.random.default_rng(2)
    shape = (4, 3, *kernel)
    indices, codebook, weight = make_weight(shape, 2, 4)
    x = rng.standard_normal((2, 3, *image))
    scale, bias = rng.standard_normal(4), rng.standard_normal(4)
    geometry = {"strides": [1] * len(kernel), "pads": [0] * 2 * len(kernel), "dilations": [1] * len(kernel), "group": 1}
    found = codebook_conv(x, indices, codebook, scale, bias, bits=2, weight_shape=shape, **geometry)
    plain = convolve(x, weight.astype(np.float64), **geometry)
    column = (-1, *[1] * len(kernel))
    np.testing.assert_array_equal(found, plain * scale.reshape(column) + bias.reshape(column))
    bare = codebook_conv(x, indices, codebook, EMPTY, EMPTY, bits=2, weight_shape=shape, **geometry)
    np.testing.assert_array_equal(bare, plain)


GOOD = {
    "indices": np.zeros(4, np.uint8),
    "codebook": np.zeros((2, 4), np.float32),
    "scale": EMPTY,
    "bias": np.zeros(4, np.float32),
    "bits": 2,
    "weight_shape": [4, 4],
}


def test_accepts_operands_that_fit():
    check_packed_weight("fc", **GOOD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 0}, "fc: bits is 0, wanted 1 to 8"),
        ({"bits": 9}, "fc: bits is 9"),
        ({"weight_shape": [16]}, "fc: weight_shape"),
        ({"weight_shape": [4, 0]}, "fc: weight_shape"),
        ({"indices": np.zeros(5, np.uint8)}, r"are uint8 \[4\], found uint8 \[5\]"),
        ({"indices": np.zeros(4, np.int8)}, "found int8"),
        ({"indices": np.zeros((2, 2), np.uint8)}, r"found uint8 \[2, 2\]"),
        ({"codebook": np.zeros((2, 3), np.float32)}, r"codebook is \[2, 3\], wanted \[groups, 4\]"),
        ({"codebook": np.zeros((3, 4), np.float32)}, "groups a divisor of 4"),
        ({"codebook": np.zeros((0, 4), np.float32)}, "groups a divisor of 4"),
        ({"codebook": np.zeros(4, np.float32)}, "codebook is"),
        ({"scale": np.zeros(1, np.float32)}, r"scale is \[1\], wanted \[0\] \(absent\) or \[4\]"),
        ({"bias": np.zeros((4, 1), np.float32)}, "bias is"),
        ({"bias": np.array([0, 0, np.nan, 0], np.float32)}, "bias has a value that is not finite"),
        ({"codebook": np.full((2, 4), np.inf, np.float32)}, "codebook has a value that is not finite"),
    ],
)
def test_refuses_operands_that_do_not_fit(change, message):
    with pytest.raises(ModelError, match=message):
        check_packed_weight("fc", **(GOOD | change))
