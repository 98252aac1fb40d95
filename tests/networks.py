"""Small float networks that the tests of integers compile: one for each way that layers can follow each other.

``NETWORKS`` maps a name to a function that gives a ``Network``.
"""

from collections.abc import Callable

import numpy as np

from tests.network import Network

NETWORKS: dict[str, Callable[[], Network]] = {}


def network(function):
    NETWORKS[function.__name__] = function
    return function


@network
def plain():
    net = Network((3, 9, 8))
    a = net.add("Relu", [net.conv("x", (8, 3, 3, 3), "a", pads=[1] * 4)])
    b = net.add("Relu", [net.conv(a, (10, 8, 3, 3), "b")])
    pooled = net.add("MaxPool", [b], kernel_shape=[2, 2], strides=[2, 2])
    flat = net.add("Flatten", [pooled])
    c = net.add("Relu", [net.gemm(flat, (12, 90), "c")])
    return net.gives(net.gemm(c, (5, 12), "d"))


@network
def normalized():
    net = Network((4, 7, 6))
    a = net.normalization(net.conv("x", (8, 4, 3, 3), "a", bias=False), 8, "na")
    six = net.add("Clip", [a, net.number(0), net.number(6)])
    b = net.add("Clip", [net.normalization(net.conv(six, (8, 8, 1, 1), "b"), 8, "nb"), "", net.number(0.75)])
    mean = net.add("GlobalAveragePool", [b])
    return net.gives(net.gemm(net.add("Flatten", [mean]), (6, 8), "c"))


@network
def residual_of_one_layer():
    net = Network((8, 6, 6))
    a = net.add("Relu", [net.conv("x", (8, 8, 3, 3), "a", pads=[1] * 4)])
    b = net.conv(a, (8, 8, 3, 3), "b", pads=[1] * 4)
    c = net.add("Relu", [net.add("Add", [a, b])])
    return net.gives(net.conv(c, (4, 8, 3, 3), "d"))


@network
def residual_of_two_layers():
    net = Network((4, 6, 6))
    a = net.add("Relu", [net.conv("x", (8, 4, 3, 3), "a", pads=[1] * 4)])
    b = net.conv(a, (8, 8, 3, 3), "b", pads=[1] * 4)
    c = net.conv(a, (8, 8, 1, 1), "c")
    d = net.add("Add", [b, c])
    return net.gives(net.conv(d, (4, 8, 3, 3), "d"))


@network
def residual_of_no_layer():
    net = Network((8, 6, 6))
    a = net.add("Relu", [net.conv("x", (8, 8, 3, 3), "a", pads=[1] * 4)])
    b = net.add("MaxPool", [a], kernel_shape=[3, 3], pads=[1] * 4)
    c = net.add("Relu", [net.add("Add", [a, b])])
    return net.gives(net.conv(c, (4, 8, 3, 3), "d"))


@network
def mean_over_axes():
    net = Network((4, 6, 6))
    a = net.add("Relu", [net.conv("x", (7, 4, 3, 3), "a")])
    b = net.add("ReduceMean", [a, net.sizes(-1, 2)], keepdims=0)
    return net.gives(net.gemm(b, (5, 7), "b"))


@network
def mean_that_keeps_axes():
    net = Network((4, 6, 6))
    a = net.add("Relu", [net.conv("x", (7, 4, 3, 3), "a")])
    b = net.add("ReduceMean", [a, net.sizes(2, 3)], keepdims=1)
    c = net.conv(b, (6, 7, 1, 1), "b")
    return net.gives(net.gemm(net.add("Squeeze", [c, net.sizes(2, 3)]), (5, 6), "c"))


@network
def concatenated():
    net = Network((4, 6, 5))
    a = net.add("Relu", [net.conv("x", (5, 4, 1, 1), "a")])
    b = net.conv("x", (6, 4, 3, 3), "b", pads=[1] * 4)
    c = net.add("Concat", [a, b, a], axis=1)
    d = net.add("Concat", [c, c], axis=-1)
    return net.gives(net.conv(d, (4, 16, 3, 3), "d"))


@network
def reshaped():
    net = Network((4, 6, 5))
    a = net.add("Relu", [net.conv("x", (6, 4, 3, 3), "a")])
    b = net.add("Identity", [net.add("Reshape", [a, net.sizes(0, 3, 6, 4)])])
    c = net.conv(b, (5, 3, 3, 3), "b")
    d = net.add("Reshape", [c, net.sizes(-1, 40)])
    e = net.add("Relu", [net.gemm(d, (7, 40), "c")])
    f = net.add("Unsqueeze", [net.add("Identity", [e]), net.sizes(1)])
    return net.gives(net.matmul(f, (7, 3), "d"))


@network
def flattened_for_two():
    """The codes flattened channels last are read by a layer, which reorders its weight, and by a float operator."""
    net = Network((2, 5, 4))
    a = net.add("Relu", [net.conv("x", (6, 2, 3, 3), "a")])
    flat = net.add("Dropout", [net.add("Flatten", [a])])
    return net.gives(net.gemm(flat, (7, 36), "b"), net.add("Softmax", [flat]))


def activation(*nodes, opset=18):
    """A convolution, the nodes (op type, inputs, attributes), of which "h" reads the first's output, and another."""

    def make():
        net = Network((4, 6, 6), opset=opset)
        values = {"h": net.conv("x", (8, 4, 3, 3), "a")}
        for target, op_type, inputs, attributes in nodes:
            given = [values[i] if isinstance(i, str) else net.number(i) for i in inputs]
            values[target] = net.add(op_type, given, **attributes)
        return net.gives(net.conv(values["y"], (4, 8, 1, 1), "b"))

    return make


NETWORKS["sigmoid"] = activation(("y", "Sigmoid", ["h"], {}))
NETWORKS["tanh"] = activation(("y", "Tanh", ["h"], {}))
NETWORKS["hard_swish"] = activation(("y", "HardSwish", ["h"], {}))
NETWORKS["leaky"] = activation(("y", "LeakyRelu", ["h"], {"alpha": 0.2}))
NETWORKS["elu"] = activation(("y", "Elu", ["h"], {}))
NETWORKS["gelu"] = activation(("y", "Gelu", ["h"], {}), opset=20)
NETWORKS["swish"] = activation(("s", "Sigmoid", ["h"], {}), ("y", "Mul", ["h", "s"], {}))
NETWORKS["square"] = activation(("y", "Mul", ["h", "h"], {}))
NETWORKS["hard_swish_of_parts"] = activation(
    ("s", "Add", ["h", 3.0], {}),
    ("c", "Clip", ["s", 0.0, 6.0], {}),
    ("m", "Mul", ["h", "c"], {}),
    ("y", "Div", ["m", 6.0], {}),
)
NETWORKS["relu_behind_sigmoid"] = activation(("s", "Sigmoid", ["h"], {}), ("y", "Relu", ["s"], {}))
NETWORKS["two_clips"] = activation(("s", "Clip", ["h", -0.5, 0.5], {}), ("y", "Clip", ["s", 0.25, 2.0], {}))
NETWORKS["clip_of_bounds_that_cross"] = activation(("y", "Clip", ["h", 0.5, 0.25], {}))


@network
def depthwise():
    net = Network((8, 9, 7))
    a = net.add("Relu", [net.conv("x", (8, 1, 3, 3), "a", group=8, pads=[1] * 4, strides=[2, 1])])
    b = net.conv(a, (16, 1, 3, 3), "b", group=8)
    return net.gives(net.conv(b, (4, 16, 1, 1), "c"))


@network
def grouped():
    net = Network((8, 9, 9))
    a = net.conv("x", (12, 4, 3, 3), "a", group=2, dilations=[2, 1], pads=[1, 0, 2, 1])
    return net.gives(net.conv(net.add("Relu", [a]), (8, 3, 3, 2), "b", group=4, strides=[1, 2]))


@network
def one_axis():
    net = Network((4, 20))
    a = net.add("Relu", [net.conv("x", (6, 4, 5), "a", strides=[2], pads=[2, 1])])
    b = net.add("MaxPool", [a], kernel_shape=[2], strides=[2])
    c = net.conv(b, (6, 6, 3), "b", pads=[1, 1])
    d = net.add("ReduceMean", [net.add("Add", [b, c]), net.sizes(2)], keepdims=0)
    return net.gives(net.gemm(d, (3, 6), "c"))


@network
def option_a():
    net = Network((4, 8, 8))
    a = net.add("Relu", [net.conv("x", (6, 4, 3, 3), "a", pads=[1] * 4)])
    b = net.conv(a, (10, 6, 3, 3), "b", strides=[2, 2], pads=[1] * 4)
    rows = net.add("Slice", [a, net.sizes(0), net.sizes(2**63 - 1), net.sizes(2), net.sizes(2)])
    thin = net.add("Slice", [rows, net.sizes(0), net.sizes(2**63 - 1), net.sizes(-1), net.sizes(2)])
    wide = net.add("Pad", [thin, net.sizes(0, 2, 0, 0, 0, 2, 0, 0)])
    c = net.add("Relu", [net.add("Add", [b, wide])])
    return net.gives(net.conv(c, (4, 10, 1, 1), "c"))


@network
def normalized_input():
    net = Network((3, 6, 6))
    a = net.add("Sub", ["x", net.random("mean", 1, 3, 1, 1)])
    b = net.add("Div", [a, net.random("deviation", 3, 1, 1, low=0.5)])
    c = net.add("Relu", [net.conv(b, (8, 3, 3, 3), "a")])
    return net.gives(net.conv(c, (4, 8, 1, 1), "b"))


@network
def gray_to_color():
    """Constants of three channels make three of one: that is no scale of the input's channels."""
    net = Network((1, 6, 6))
    a = net.add("Mul", ["x", net.random("colors", 3, 1, 1)])
    return net.gives(net.conv(a, (8, 3, 3, 3), "a"))


@network
def outputs_on_the_way():
    net = Network((4, 6, 6))
    a = net.add("Relu", [net.conv("x", (8, 4, 3, 3), "a", pads=[1] * 4)])
    b = net.conv(a, (8, 8, 3, 3), "b", pads=[1] * 4)
    c = net.add("Add", [a, b])
    d = net.conv(c, (4, 8, 1, 1), "d")
    e = net.conv(c, (4, 8, 1, 1), "e")
    f = net.add("Concat", [d, e], axis=1)
    return net.gives(a, b, d, net.conv(f, (4, 8, 1, 1), "f"))


@network
def float_readers():
    net = Network((4, 6, 6), opset=18)
    a = net.add("Relu", [net.conv("x", (8, 4, 3, 3), "a")])
    soft = net.add("Softmax", [a], axis=1)
    b = net.conv(net.add("Mul", [a, soft]), (6, 8, 1, 1), "b")
    mean = net.add("Reshape", [b, net.sizes(0, 6, 16)])
    norm = net.add("LayerNormalization", [mean, net.random("gain", 16), net.random("offset", 16)])
    return net.gives(net.matmul(norm, (16, 5), "c"), net.add("Softmax", [net.matmul(mean, (16, 3), "d")]))


@network
def two_transposes():
    """Codes in the model's layout that an early convolution and a late one read: who transposes must come first."""
    net = Network((4, 6, 5))
    a = net.add("Relu", [net.conv("x", (6, 4, 3, 3), "a")])
    b = net.add("Reshape", [a, net.sizes(0, 3, 6, 4)])
    early = net.conv(b, (5, 3, 3, 3), "early")
    soft = net.add("Softmax", [a])
    late = net.add("Relu", [net.conv(b, (5, 3, 3, 3), "late")])
    again = net.add("Concat", [a, a], axis=2)
    return net.gives(early, soft, net.conv(late, (4, 5, 1, 1), "last"), net.conv(again, (4, 6, 1, 1), "other"))


@network
def sequence():
    net = Network((7, 12))
    a = net.add("Relu", [net.matmul("x", (12, 20), "a")])
    b = net.add("Add", [net.matmul(a, (20, 12), "b"), net.random("b.bias", 12)])
    c = net.add("Add", ["x", b])
    return net.gives(net.matmul(c, (12, 6), "c"))


@network
def input_is_output():
    net = Network((8,))
    return net.gives("x", net.gemm("x", (6, 8), "a"), net.add("Softmax", ["x"]))


@network
def constant_input():
    net = Network((6,))
    table = net.matmul(net.random("table", 3, 5), (5, 6), "constant")
    a = net.gemm("x", (6, 6), "a")
    return net.gives(net.add("MatMul", [a, net.add("Transpose", [table], perm=[1, 0])]))


@network
def pooled_with_ceil():
    net = Network((4, 7, 7))
    a = net.add("Relu", [net.conv("x", (6, 4, 1, 1), "a")])
    b = net.add("MaxPool", [a], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    c = net.add("MaxPool", [b], kernel_shape=[3, 3], pads=[1] * 4)
    return net.gives(net.conv(c, (4, 6, 1, 1), "b"))


@network
def concatenated_with_a_constant():
    net = Network((4, 6, 6), batch=2)
    a = net.add("Relu", [net.conv("x", (6, 4, 1, 1), "a")])
    b = net.add("Concat", [a, net.random("more", 2, 2, 6, 6)], axis=1)
    return net.gives(net.conv(b, (4, 8, 1, 1), "b"))


@network
def mean_of_the_last_axis():
    net = Network((5, 8))
    a = net.matmul("x", (8, 6), "a")
    b = net.add("ReduceMean", [a, net.sizes(-1)], keepdims=1)
    return net.gives(net.matmul(net.add("Sub", [a, b]), (6, 4), "b"))


@network
def shape_that_is_computed():
    net = Network((4, 6, 5))
    a = net.add("Relu", [net.conv("x", (6, 4, 3, 3), "a")])
    batch = net.add("Shape", [a], end=1)
    b = net.add("Reshape", [a, net.add("Concat", [batch, net.sizes(72)], axis=0)])
    return net.gives(net.gemm(b, (5, 72), "b"))


@network
def number_that_adds_an_axis():
    net = Network((6,))
    a = net.add("Sigmoid", [net.gemm("x", (6, 6), "a")])
    b = net.add("Mul", [a, net.constant("deep", np.full((1, 1, 1), 0.5, np.float32))])
    return net.gives(net.matmul(b, (6, 4), "b"))


@network
def codebooks():
    net = Network((4, 6, 6))
    weight = net.lookup((6, 4, 3, 3), "a.weight", [-0.71, -0.2, 0.03, 0.4, 0.9])
    a = net.add("Relu", [net.add("Conv", ["x", weight])])
    books = net.rng.standard_normal((3, 7))
    weight = net.lookup((6, 6, 3, 3), "b.weight", np.sort(books), groups=3)
    b = net.add("Relu", [net.add("Conv", [a, weight], pads=[1] * 4)])
    weight = net.lookup((8, 6, 1, 1), "c.weight", np.array([-1, 0, 2, 3]) * np.float32(0.1))
    c = net.add("Conv", [b, weight])
    weight = net.lookup((5, 128), "d.weight", [-0.25, 0.25])
    return net.gives(net.add("Gemm", [net.add("Flatten", [c]), weight], transB=1))


@network
def corrected():
    net = Network((4, 6, 6))
    weights = []
    for name, shape in (("a", (6, 4, 3, 3)), ("b", (5, 96))):
        plain = net.lookup(shape, f"{name}.weight.plain", [-0.5, 0.0, 0.5])
        places = np.stack(np.unravel_index([1, 40, 90 + len(weights)], shape), axis=1)
        inputs = [plain, net.constant(f"{name}.places", places), net.random(f"{name}.values", 3)]
        weights.append(net.add("ScatterND", inputs, f"{name}.weight", reduction="add"))
    a = net.add("Relu", [net.add("Conv", ["x", weights[0]])])
    return net.gives(net.add("Gemm", [net.add("Flatten", [a]), weights[1]], transB=1))


@network
def fixed_batch():
    net = Network((3, 5, 5), batch=2)
    a = net.add("Relu", [net.conv("x", (4, 3, 3, 3), "a")])
    return net.gives(net.gemm(net.add("Flatten", [a]), (3, 36), "b"))


@network
def hostile_names():
    net = Network((3, 5, 5))
    a = net.add("Relu", [net.conv("x", (4, 3, 3, 3), "a")], "a.codes")
    b = net.add("MaxPool", [a], "a", kernel_shape=[2, 2])
    c = net.add("Sigmoid", [net.conv(b, (4, 4, 1, 1), "a.codes.quantize")], "a.codes.dequantized")
    d = net.add("Add", [c, b], "x.codes")
    return net.gives(net.conv(d, (4, 4, 1, 1), "x.quantize_input"))


def heads(net, x, name):
    """A layer of 3 heads of 4: [batch, 3, 10, 4]."""
    layer = net.add("Add", [net.matmul(x, (12, 12), name), net.random(f"{name}.bias", 12)])
    return net.add("Transpose", [net.add("Reshape", [layer, net.sizes(0, 10, 3, 4)])], perm=[0, 2, 1, 3])


def joined(net, value):
    """Heads beside each other again: [batch, 10, 12]."""
    return net.add("Reshape", [net.add("Transpose", [value], perm=[0, 2, 1, 3]), net.sizes(0, 10, 12)])


@network
def attention():
    net = Network((10, 12))
    query, value = heads(net, "x", "query"), heads(net, "x", "value")
    layer = net.add("Reshape", [net.matmul("x", (12, 12), "key"), net.sizes(0, 10, 3, 4)])
    key = net.add("Transpose", [layer], perm=[0, 2, 3, 1])
    scores = net.add("Div", [net.add("MatMul", [query, key]), net.number(2)])
    mixed = net.add("MatMul", [net.add("Softmax", [scores]), value])
    return net.gives(net.matmul(joined(net, mixed), (12, 5), "join"))


@network
def attention_of_scaled_inputs():
    net = Network((10, 12))
    query, key = (net.add("Mul", [heads(net, "x", name), net.number(0.7)]) for name in ("query", "key"))
    scores = net.add("MatMul", [query, net.add("Transpose", [key], perm=[0, 1, 3, 2])])
    mixed = net.add(
        "MatMul", [net.add("Softmax", [net.add("Mul", [net.number(1.5), scores])]), heads(net, "x", "value")]
    )
    return net.gives(net.matmul(joined(net, mixed), (12, 5), "join"))


@network
def products_with_other_readers():
    """What a product gives is cut, is scaled, is read as a float too, or is the output."""
    net = Network((10, 12))
    a, b = heads(net, "x", "a"), heads(net, "x", "b")
    scores = net.add("MatMul", [a, net.add("Transpose", [b], perm=[0, 1, 3, 2])])
    tenth = net.add("Mul", [scores, net.number(0.1)])
    cut = net.add("Relu", [net.add("Div", [net.add("MatMul", [net.add("Tanh", [scores]), b]), net.number(-8)])])
    last = net.add("MatMul", [net.add("Softmax", [tenth]), cut])
    return net.gives(tenth, last, net.matmul(joined(net, net.add("Tanh", [last])), (12, 5), "join"))


@network
def products_of_images():
    """Attention between the pixels of a convolution: codes come channels last."""
    net = Network((4, 5, 6))
    a = net.add("Relu", [net.conv("x", (8, 4, 1, 1), "a")])
    b = net.add("Reshape", [net.conv(a, (8, 8, 1, 1), "b"), net.sizes(0, 8, 30)])
    scores = net.add("MatMul", [net.add("Transpose", [b], perm=[0, 2, 1]), b])
    mixed = net.add("MatMul", [b, net.add("Softmax", [scores])])
    return net.gives(net.conv(net.add("Reshape", [mixed, net.sizes(0, 8, 5, 6)]), (4, 8, 1, 1), "c"))


@network
def products_that_stay_float():
    """A matrix for each row, of a vector; one matrix for all heads."""
    net = Network((10, 12))
    a = heads(net, "x", "a")
    mean = net.add("ReduceMean", [a, net.sizes(1)], keepdims=1)
    each = net.add("MatMul", [a, net.add("Transpose", [mean], perm=[0, 1, 3, 2])])
    flat = net.add("MatMul", [net.add("ReduceMean", [each, net.sizes(0, 1, 2)], keepdims=0), heads(net, "x", "b")])
    return net.gives(net.matmul(each, (10, 5), "c"), flat)
