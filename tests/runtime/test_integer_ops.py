"""Integer products and convolutions within onnxruntime: the bits of qcompile.integer_ops, and clear errors."""

import dataclasses

import numpy as np
import pytest

from qcompile import integer_ops, runtime
from qcompile.errors import QCompileError
from tests.runtime.integer_models import IntegerLayer, random_layer

ISAS = runtime.runtime_info().isas
MATMULS = sorted(integer_ops.INTEGER_MATMULS)
CONVS = sorted(integer_ops.INTEGER_CONVS)


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def run(packed: bytes, x: np.ndarray, residual: np.ndarray | None = None, threads: int = 1) -> np.ndarray:
    feeds = {"x": x} if residual is None else {"x": x, "residual": residual}
    result: np.ndarray = runtime.session(packed, threads=threads).run(None, feeds)[0]
    return result


def random_inputs(random, layer: IntegerLayer, x_shape):
    """Codes of every size, among them whole rows of the largest."""
    x = random.integers(0, 256, x_shape).astype(np.uint8)
    if x.size:
        x[-1] = 255
    if layer.op not in integer_ops.ADDING:
        return x, None
    return x, random.integers(0, 256, layer.y_shape(x_shape)).astype(np.uint8)


def assert_equals_numpy(random, layer: IntegerLayer, x_shape):
    x, residual = random_inputs(random, layer, x_shape)
    found, wanted = run(layer.model(), x, residual), layer.numpy(x, residual)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


PRODUCTS = [  # x without its last axis, [n, k], codebooks
    ((1,), (10, 84), 1),
    ((), (7, 33), 7),
    ((3,), (64, 128), 0),
    ((2, 2), (66, 130), 2),
    ((6,), (96, 64), 3),
    ((5,), (33, 31), 0),
    ((2, 3, 4), (130, 257), 1),
    ((200,), (8, 64), 8),
    ((0, 4), (6, 12), 1),
    ((1,), (1, 1), 1),
    ((17,), (16, 5), 0),
]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("leading", "shape", "codebooks"), PRODUCTS)
def test_matmul_equals_numpy(isa, bits, leading, shape, codebooks):
    random = np.random.default_rng([bits, *shape])
    op = MATMULS[(bits + shape[0]) % len(MATMULS)]
    assert_equals_numpy(random, random_layer(random, op, bits, shape, codebooks=codebooks), (*leading, shape[1]))


CONVOLUTIONS = [  # x, weight, codebooks, strides, pads, dilations, group
    ((2, 32, 32, 3), (16, 3, 3, 3), 1, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    ((1, 33, 31, 3), (24, 3, 7, 7), 0, (2, 2), (3, 3, 3, 3), (1, 1), 1),
    ((1, 9, 9, 16), (32, 16, 1, 1), 32, (2, 2), (0, 0, 0, 0), (1, 1), 1),
    ((2, 7, 7, 24), (80, 24, 1, 1), 0, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((2, 14, 15, 20), (72, 20, 3, 3), 1, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    ((1, 11, 9, 6), (9, 2, 3, 2), 3, (1, 2), (2, 1, 0, 3), (2, 3), 3),
    ((1, 12, 13, 16), (24, 8, 3, 3), 1, (1, 1), (1, 0, 2, 1), (1, 1), 2),
    ((1, 12, 13, 16), (24, 8, 3, 3), 2, (2, 1), (0, 0, 0, 0), (1, 1), 2),
    ((1, 19, 20, 8), (20, 8, 3, 3), 0, (1, 1), (0, 0, 0, 0), (3, 2), 1),
    ((1, 10, 9, 8), (20, 8, 3, 3), 1, (1, 1), (2, 2, 2, 2), (2, 2), 1),
    ((4, 40, 2), (5, 2, 7), 1, (3,), (2, 4), (2,), 1),
    ((3, 50, 4), (17, 4, 5), 0, (1,), (4, 0), (1,), 1),
    ((1, 28, 28, 1), (6, 1, 5, 5), 2, (1, 1), (2, 2, 2, 2), (1, 1), 1),
    ((0, 5, 5, 2), (4, 2, 3, 3), 1, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((0, 5, 5, 4), (4, 4, 1, 1), 1, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((3, 10, 12, 8), (8, 1, 3, 3), 8, (2, 1), (1, 0, 2, 1), (1, 1), 8),
    ((1, 9, 8, 6), (12, 1, 3, 3), 0, (1, 1), (1, 1, 1, 1), (2, 1), 6),
]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("x_shape", "shape", "codebooks", "strides", "pads", "dilations", "group"), CONVOLUTIONS)
def test_conv_equals_numpy(isa, bits, x_shape, shape, codebooks, strides, pads, dilations, group):
    random = np.random.default_rng([bits, *shape])
    geometry = {"strides": strides, "pads": pads, "dilations": dilations, "group": group}
    op = CONVS[(bits + shape[0]) % len(CONVS)]
    assert_equals_numpy(random, random_layer(random, op, bits, shape, codebooks=codebooks, **geometry), x_shape)


@pytest.mark.parametrize("op", CONVS)
@pytest.mark.parametrize(("bits", "codebooks"), [(1, 1), (3, 0), (4, 0), (4, 1), (5, 0)])
@pytest.mark.parametrize(("x_bits", "x_zero_point"), [(6, 0), (6, 31), (6, 63), (3, 7)])
def test_convolutions_of_few_bits_equal_numpy(isa, op, bits, codebooks, x_bits, x_zero_point):
    """Where the fastest kernel is another: it multiplies sums of weights by sums of codes, if they fit."""
    random = np.random.default_rng([bits, x_bits, x_zero_point])
    geometry = {"strides": [1, 1], "pads": [1, 0, 2, 1], "dilations": [1, 1], "group": 1}
    layer = random_layer(random, op, bits, (72, 64, 3, 3), codebooks=codebooks, **geometry)
    layer.attributes |= {"x_bits": x_bits, "x_zero_point": x_zero_point}
    if codebooks:
        layer.arguments["codebook"] = np.clip(layer.arguments["codebook"], -14, 14)
    x, residual = random_inputs(random, layer, (2, 15, 16, 64))
    x >>= 8 - x_bits
    wanted = layer.numpy(x, residual)
    for threads in (1, 3):
        np.testing.assert_array_equal(run(layer.model(), x, residual, threads=threads), wanted)


@pytest.mark.parametrize("op", [*MATMULS, *CONVS])
@pytest.mark.parametrize("codebooks", [0, 1, 72])
@pytest.mark.parametrize(("x_bits", "x_zero_point"), [(1, 0), (1, 1), (2, 0), (2, 1), (2, 3)])
def test_weights_of_one_bit_equal_numpy(isa, op, codebooks, x_bits, x_zero_point):
    """Where the fastest kernel is yet another: it counts the bits of products."""
    random = np.random.default_rng([codebooks, x_bits, x_zero_point])
    if op in CONVS:
        cases = [
            ((72, 64, 3, 3), (2, 15, 16, 64), [1, 1], [1, 0, 2, 1], [1, 1], 1),
            ((72, 48, 3, 3), (1, 15, 16, 96), [2, 1], [1, 1, 1, 1], [1, 2], 2),
            ((72, 100, 1, 1), (1, 15, 16, 100), [2, 2], [0, 0, 0, 0], [1, 1], 1),
        ]
        layers = [
            (random_layer(random, op, 1, shape, codebooks=codebooks, strides=s, pads=p, dilations=d, group=g), x_shape)
            for shape, x_shape, s, p, d, g in cases
        ]
    else:
        layers = [
            (random_layer(random, op, 1, (72, k), codebooks=codebooks), (rows, k))
            for rows, k in ((1, 1000), (7, 1001), (200, 64))
        ]
    for layer, x_shape in layers:
        layer.attributes |= {"x_bits": x_bits, "x_zero_point": x_zero_point}
        x, residual = random_inputs(random, layer, x_shape)
        x >>= 8 - x_bits
        wanted = layer.numpy(x, residual)
        for threads in (1, 3):
            np.testing.assert_array_equal(run(layer.model(), x, residual, threads=threads), wanted)


@pytest.mark.parametrize("op", [*MATMULS, *CONVS])
@pytest.mark.parametrize("bits", [2, 8])
def test_every_operator_equals_numpy(isa, op, bits):
    random = np.random.default_rng(bits)
    if op in CONVS:
        geometry = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
        return assert_equals_numpy(random, random_layer(random, op, bits, (40, 12, 3, 3), **geometry), (2, 8, 9, 12))
    return assert_equals_numpy(random, random_layer(random, op, bits, (40, 300)), (9, 300))


@pytest.mark.parametrize("x_zero_point", [0, 1, 128, 255])
@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("rows", [1, 20])
def test_the_largest_sums_are_exact(isa, x_zero_point, value, rows):
    """The most terms that the format allows, all of them as large as they can be."""
    layer = random_layer(np.random.default_rng(0), "IntegerMatMulFloat", 1, (3, 65536))
    layer.arguments["codebook"] = np.full((1, 2), value, np.int8)
    layer.arguments["scale"], layer.arguments["bias"] = np.ones(3, np.float32), np.zeros(3, np.float32)
    layer.attributes["x_zero_point"] = x_zero_point
    for code in (0, 255):
        x = np.full((rows, 65536), code, np.uint8)
        assert (run(layer.model(), x) == np.float32((code - x_zero_point) * value * 65536)).all()


@pytest.mark.parametrize("scale", [1e30, -1e30])
def test_results_that_overflow_are_cut(isa, scale):
    random = np.random.default_rng(0)
    layer = random_layer(random, "IntegerMatMulAdd", 4, (20, 64))
    layer.arguments["scale"][:] = scale
    layer.arguments["bias"][:] = np.float32(3e38)
    layer.attributes |= {"residual_scale": -3e38, "y_min": 3, "y_max": 250}  # infinite, of both signs: NaN too
    x, residual = random_inputs(random, layer, (30, 64))
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = layer.numpy(x, residual)
    np.testing.assert_array_equal(run(layer.model(), x, residual), wanted)


@pytest.mark.parametrize("shape", [(40, 64), (300, 257)])
@pytest.mark.parametrize("rows", [1, 3, 50, 1700])
def test_threads_do_not_change_a_product(shape, rows):
    random = np.random.default_rng(rows)
    layer = random_layer(random, "IntegerMatMulFloat", 3, shape)
    x = random.integers(0, 256, (rows, shape[1])).astype(np.uint8)
    for threads in (1, 2, 4):
        np.testing.assert_array_equal(run(layer.model(), x, threads=threads), layer.numpy(x))


@pytest.mark.parametrize(("channels", "size"), [(3, 90), (32, 57), (160, 9)])
def test_threads_do_not_change_a_convolution(channels, size):
    random = np.random.default_rng(channels)
    geometry = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
    layer = random_layer(random, "IntegerConv", 3, (150, channels, 3, 3), **geometry)
    x = random.integers(0, 256, (3, size, size, channels)).astype(np.uint8)
    wanted = layer.numpy(x)
    for threads in (1, 2, 4):
        np.testing.assert_array_equal(run(layer.model(), x, threads=threads), wanted)


LAYER = random_layer(np.random.default_rng(0), "IntegerMatMulAdd", 3, (6, 10), codebooks=2)
CONV = random_layer(
    np.random.default_rng(0),
    "IntegerConv",
    2,
    (4, 3, 3, 3),
    strides=[1, 1],
    pads=[0, 0, 0, 0],
    dilations=[1, 1],
    group=1,
)


def changed(**arguments):
    return dataclasses.replace(LAYER, arguments={**LAYER.arguments, **arguments})


def with_nan(name):
    array = LAYER.arguments[name].copy()
    array[1] = np.nan
    return changed(**{name: array})


BROKEN = {
    "cut": (changed(indices=LAYER.arguments["indices"][:-1]), {}, r"uint8 \[96\], found uint8 \[95\]"),
    "too long": (changed(indices=np.zeros(97, np.uint8)), {}, r"found uint8 \[97\]"),
    "indices of rank 2": (changed(indices=LAYER.arguments["indices"][None]), {}, r"found uint8 \[1, 96\]"),
    "other bits": (LAYER, {"bits": 4}, r"4-bit tiles"),
    "bits 0": (LAYER, {"bits": 0}, "bits is 0, wanted an int from 1 to 8"),
    "bits 9": (LAYER, {"bits": 9}, "bits is 9, wanted"),
    "bits of 33 bits": (LAYER, {"bits": 2**32 + 3}, "wanted an int from 1 to 8"),
    "bits is a float": (LAYER, {"bits": 3.0}, "bits is missing"),
    "no bits": (LAYER, {"bits": None}, "bits is missing"),
    "no x_zero_point": (LAYER, {"x_zero_point": None}, "x_zero_point is missing"),
    "x_zero_point 256": (LAYER, {"x_zero_point": 256}, "x_zero_point is 256, wanted an int from 0 to 255"),
    "x_zero_point -1": (LAYER, {"x_zero_point": -1}, "x_zero_point is -1"),
    "x_bits 9": (LAYER, {"x_bits": 9}, "x_bits is 9"),
    "x_bits 0": (LAYER, {"x_bits": 0}, "x_bits is 0"),
    "no y_min": (LAYER, {"y_min": None}, "y_min is missing"),
    "no y_max": (LAYER, {"y_max": None}, "y_max is missing"),
    "y_min above y_max": (LAYER, {"y_min": 8, "y_max": 7}, "y_min is 8 and y_max 7, wanted 0 <= y_min"),
    "y_max 256": (LAYER, {"y_max": 256}, "y_max 256"),
    "y_min -1": (LAYER, {"y_min": -1}, "y_min is -1"),
    "no residual_scale": (LAYER, {"residual_scale": None}, "residual_scale is missing"),
    "residual_scale is infinite": (LAYER, {"residual_scale": float("inf")}, "residual_scale is not finite"),
    "no weight_shape": (LAYER, {"weight_shape": None}, "weight_shape is missing"),
    "weight of rank 3": (LAYER, {"weight_shape": [6, 5, 2]}, r"wanted \[n, k\]"),
    "larger weight": (LAYER, {"weight_shape": [6, 17]}, r"\[6, 17\] are uint8 \[192\]"),
    "same bytes, other shape": (LAYER, {"weight_shape": [10, 6]}, r"scale is float32 \[10\], found float32 \[6\]"),
    "negative size": (LAYER, {"weight_shape": [-6, 10]}, "each from 1"),
    "zero size": (LAYER, {"weight_shape": [0, 2**40]}, "each from 1"),
    "too many products": (LAYER, {"weight_shape": [6, 65537]}, "at most 65536 products"),
    "later format": (LAYER, {"format_version": 2}, "format_version is 2"),
    "short codebook": (changed(codebook=np.zeros((2, 7), np.int8)), {}, r"codebook is int8 \[0\] \(absent\) or"),
    "codebook of rank 1": (changed(codebook=np.zeros(8, np.int8)), {}, r"found int8 \[8\]"),
    "no codebook": (changed(codebook=np.zeros((0, 8), np.int8)), {}, r"found int8 \[0, 8\]"),
    "groups do not divide": (changed(codebook=np.zeros((4, 8), np.int8)), {}, "divisor of 6"),
    "short scale": (changed(scale=np.ones(5, np.float32)), {}, r"found float32 \[5\]"),
    "no scale": (changed(scale=np.ones(0, np.float32)), {}, r"found float32 \[0\]"),
    "short bias": (changed(bias=np.ones(1, np.float32)), {}, r"found float32 \[1\]"),
    "NaN in the scale": (with_nan("scale"), {}, "scale has a value that is not finite, at element 1"),
    "NaN in the bias": (with_nan("bias"), {}, "bias has a value that is not finite"),
}


@pytest.mark.parametrize(("layer", "changes", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_node_is_an_error_that_names_it(layer, changes, message):
    with pytest.raises(QCompileError, match=message) as caught:
        runtime.session(layer.model(**changes))
    assert "layer: " in str(caught.value)


def test_the_unbroken_nodes_load():
    runtime.session(LAYER.model())
    runtime.session(LAYER.model(x_bits=4))
    runtime.session(CONV.model())


@pytest.mark.parametrize("name", ["indices", "codebook", "scale", "bias"])
def test_weights_must_be_initializers(name):
    with pytest.raises(QCompileError, match=rf"layer: input \d \({name}\) must be an initializer"):
        runtime.session(LAYER.model(inputs=[name]))


@pytest.mark.parametrize("name", ["strides", "pads", "dilations", "group"])
def test_missing_convolution_attribute_is_an_error(name):
    with pytest.raises(QCompileError, match=f"layer: attribute {name} is missing"):
        runtime.session(CONV.model(**{name: None}))


@pytest.mark.parametrize(
    "change",
    [{"strides": [0, 1]}, {"dilations": [1]}, {"pads": [0, 0, 0, -1]}, {"pads": [0, 0]}, {"group": 3}, {"group": 0}],
    ids=str,
)
def test_convolution_attribute_out_of_range_is_an_error(change):
    with pytest.raises(QCompileError, match=f"layer: {next(iter(change))} is .* wanted"):
        runtime.session(CONV.model(**change))


def test_another_group_is_another_weight():
    with pytest.raises(QCompileError, match=r"2-bit tiles of weight \[4, 3, 3, 3\] are uint8"):
        runtime.session(CONV.model(group=2))


@pytest.mark.parametrize("shape", [(3, 11), (9,), (10, 1), (2, 3, 0)])
def test_matmul_refuses_an_x_of_another_width(shape):
    session = runtime.session(LAYER.model())
    with pytest.raises(Exception, match=r"layer: x is .* wanted uint8 \[\.\.\., 10\]"):
        session.run(None, {"x": np.zeros(shape, np.uint8), "residual": np.zeros((3, 6), np.uint8)})


@pytest.mark.parametrize("shape", [(3, 5), (6,), (3, 6, 1), (4, 6)])
def test_matmul_refuses_a_residual_of_another_shape(shape):
    session = runtime.session(LAYER.model())
    with pytest.raises(Exception, match=r"layer: residual is uint8 .* wanted uint8 \[3, 6\]"):
        session.run(None, {"x": np.zeros((3, 10), np.uint8), "residual": np.zeros(shape, np.uint8)})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 5, 5, 2), "wanted .batch, height, width, 3."),
        ((1, 3, 5, 5), "wanted .batch, height, width, 3."),
        ((1, 5, 3), "wanted .batch, height"),
        ((1, 2, 5, 3), "too small"),
        ((1, 0, 0, 3), "too small"),
    ],
)
def test_conv_refuses_an_x_that_does_not_fit(shape, message):
    with pytest.raises(Exception, match=f"layer: x is .*{message}"):
        runtime.session(CONV.model()).run(None, {"x": np.zeros(shape, np.uint8)})
