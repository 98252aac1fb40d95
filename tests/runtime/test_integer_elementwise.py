"""QuantizeInput, IntegerAdd, IntegerTable and the poolings within onnxruntime: bit for bit what numpy gives, and an
error that names the node for every broken one."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from qcompile import integer_ops, ops, runtime
from qcompile.errors import QCompileError

LIMITS = {"y_min": 0, "y_max": 255}
RANGES = [(0, 255), (128, 255), (3, 17), (0, 0), (255, 255)]
Array = npt.NDArray[Any]


@pytest.fixture(params=runtime.runtime_info().isas)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def model(op_type: str, inputs: dict[str, type], *stored: Array, **attributes: Any) -> bytes:
    """A node named ``layer`` with graph ``inputs`` of these types, then initializers ``stored``; an attribute that is
    None is left out."""
    constants = {f"stored{i}": array for i, array in enumerate(stored)}
    names = [*inputs, *constants]
    present = {name: value for name, value in attributes.items() if value is not None}
    node = helper.make_node(op_type, names, ["y"], name="layer", domain=ops.DOMAIN, **present)
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), None)
        for name, kind in inputs.items()
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    output = helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, None)
    graph = helper.make_graph([node], "g", values, [output], initializers)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def assert_codes(packed: bytes, feeds: dict[str, Array], wanted: Array) -> None:
    """With one thread and with several."""
    for threads in (1, 3):
        [found] = runtime.session(packed, threads=threads).run(None, feeds)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, wanted)


def codes(random: np.random.Generator, *shape: int) -> Array:
    return random.integers(0, 256, shape).astype(np.uint8)


def affine(channels: int, scale: float, bias: float) -> tuple[Array, Array]:
    """The same scale and bias for each channel."""
    return np.full(channels, scale, np.float32), np.full(channels, bias, np.float32)


QUANTIZED = [(2, 3, 20, 19), (1, 1, 28, 28), (1, 4, 7, 9), (3, 5, 11), (1, 67, 3, 3), (4, 10), (0, 3, 8, 8), (2, 0, 4)]


@pytest.mark.parametrize("shape", [*QUANTIZED, (1, 3, 300, 301)], ids=str)
@pytest.mark.parametrize(("y_min", "y_max"), RANGES)
def test_quantize_input_equals_numpy(isa, shape, y_min, y_max):
    random = np.random.default_rng(shape)
    x = (random.standard_normal(shape) * 3).astype(np.float32)
    scale, bias = ((value + np.arange(shape[1])).astype(np.float32) for value in (31.7, 127.3))
    limits = {"y_min": y_min, "y_max": y_max}
    wanted = integer_ops.quantize_input(x, scale, bias, **limits)
    assert_codes(model("QuantizeInput", {"x": np.float32}, scale, bias, **limits), {"x": x}, wanted)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("y_min", "y_max"), [(0, 255), (7, 200)])
def test_quantize_input_of_awkward_floats(isa, channels, y_min, y_max):
    awkward = [np.nan, -np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 2.0**31, -(2.0**31), 2.0**63, 1e-45, -0.0]
    ties = [*(np.arange(-4, 260) + 0.5), 8388607.5, -0.5, 254.49998, 255.49998]
    x = np.resize(np.array([*awkward, *ties], np.float32), (2, channels, 3, 101))
    limits = {"y_min": y_min, "y_max": y_max}
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = integer_ops.quantize_input(x, *affine(channels, 1.0, 0.0), **limits)
    assert_codes(model("QuantizeInput", {"x": np.float32}, *affine(channels, 1.0, 0.0), **limits), {"x": x}, wanted)


def test_quantize_input_rounds_ties_to_even(isa):
    x = np.array([0.5, 1.5, 2.5, 3.5, 253.5, 254.5], np.float32).reshape(1, 1, 6)
    packed = model("QuantizeInput", {"x": np.float32}, *affine(1, 1.0, 0.0), **LIMITS)
    assert_codes(packed, {"x": x}, np.array([0, 2, 2, 4, 254, 254], np.uint8).reshape(1, 6, 1))


# 4098 + 2^-12 is rounded to 4098: with another 0.5 less 4098 it is a tie, which goes to 0. In one rounding it is more
# than a tie, and goes to 1.
FACTOR = 4097 / 4096


def test_quantize_input_rounds_the_product_before_the_sum(isa):
    for channels in (1, 3, 5):
        x = np.full((1, channels, 39), 4097, np.float32)
        packed = model("QuantizeInput", {"x": np.float32}, *affine(channels, FACTOR, -4097.5), **LIMITS)
        assert_codes(packed, {"x": x}, np.zeros((1, 39, channels), np.uint8))


def test_add_rounds_each_operation(isa):
    a, b = np.full(150, 17, np.uint8), np.ones(150, np.uint8)
    for scales in ((241 * FACTOR, -4097.5, 0.0), (0.0, 17 * 241 * FACTOR, -4097.5)):
        attributes = dict(zip(("a_scale", "b_scale", "bias"), scales, strict=True), **LIMITS)
        packed = model("IntegerAdd", {"a": np.uint8, "b": np.uint8}, **attributes)
        assert_codes(packed, {"a": a, "b": b}, np.zeros(150, np.uint8))
        assert_codes(packed, {"a": a, "b": b}, integer_ops.integer_add(a, b, **attributes))


@pytest.mark.parametrize("shape", [(1,), (), (3, 65), (2, 7, 9, 16), (0, 4), (600_000,)], ids=str)
@pytest.mark.parametrize(("y_min", "y_max"), RANGES)
@pytest.mark.parametrize("scales", [(0.37, -1.21, 140.0), (0.5, 0.5, 0.0), (1e38, -1e38, 3.0), (0.0, 0.0, 2.5)])
def test_add_equals_numpy(isa, shape, y_min, y_max, scales):
    random = np.random.default_rng([*shape, 1])
    a, b = codes(random, *shape), codes(random, *shape)
    attributes = dict(zip(("a_scale", "b_scale", "bias"), scales, strict=True), y_min=y_min, y_max=y_max)
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = integer_ops.integer_add(a, b, **attributes)
    assert_codes(model("IntegerAdd", {"a": np.uint8, "b": np.uint8}, **attributes), {"a": a, "b": b}, wanted)


@pytest.mark.parametrize("shape", [(1,), (), (3, 65), (2, 7, 9, 16), (0, 4), (600_000,)], ids=str)
def test_table_equals_numpy(isa, shape):
    random = np.random.default_rng([*shape, 2])
    table, x = codes(random, 256), codes(random, *shape)
    assert_codes(model("IntegerTable", {"x": np.uint8}, table), {"x": x}, table[x])


@pytest.mark.parametrize("shape", [(1, 7, 7, 1280), (3, 5, 3), (2, 1, 1, 20), (4, 60, 50, 65), (0, 3, 3, 8), (1, 2, 0)])
@pytest.mark.parametrize(("y_min", "y_max"), RANGES)
def test_global_average_pool_equals_numpy(isa, shape, y_min, y_max):
    x = codes(np.random.default_rng(shape), *shape)
    for keepdims in (0, 1):
        attributes = {"scale": 1.43, "bias": -20.5, "y_min": y_min, "y_max": y_max, "keepdims": keepdims}
        wanted = integer_ops.integer_global_average_pool(x, **attributes)
        assert_codes(model("IntegerGlobalAveragePool", {"x": np.uint8}, **attributes), {"x": x}, wanted)
    del attributes["keepdims"]  # absent: 1
    assert_codes(model("IntegerGlobalAveragePool", {"x": np.uint8}, **attributes), {"x": x}, wanted)


def test_global_average_pool_divides(isa):
    # 1/49 rounded, times 49 times an odd number, is not always that number.
    x = np.zeros((1, 7, 7, 256), np.uint8)
    x[0, 0, 0] = np.arange(256)
    attributes = {"scale": 24.5, "bias": 0.0, "y_min": 0, "y_max": 255, "keepdims": 1}
    wanted = integer_ops.integer_global_average_pool(x, **attributes)
    assert_codes(model("IntegerGlobalAveragePool", {"x": np.uint8}, **attributes), {"x": x}, wanted)


POOLINGS = [  # x, kernel, strides, pads
    ((1, 112, 112, 64), (3, 3), (2, 2), (1, 1, 1, 1)),
    ((2, 9, 8, 16), (2, 2), (2, 2), (0, 0, 0, 0)),
    ((1, 28, 28, 6), (2, 2), (2, 2), (0, 0, 0, 0)),
    ((3, 7, 9, 67), (3, 2), (1, 2), (2, 1, 1, 0)),
    ((2, 30, 5), (5,), (3,), (4, 2)),
    ((1, 1, 1, 3), (3, 3), (1, 1), (2, 2, 2, 2)),
    ((0, 5, 5, 4), (3, 3), (1, 1), (1, 1, 1, 1)),
    ((1, 5, 5, 0), (3, 3), (1, 1), (1, 1, 1, 1)),
    ((1, 6, 400, 33), (6, 31), (5, 7), (5, 30, 0, 11)),
]


@pytest.mark.parametrize(("shape", "kernel_shape", "strides", "pads"), POOLINGS)
def test_max_pool_equals_numpy(isa, shape, kernel_shape, strides, pads):
    x = codes(np.random.default_rng(shape), *shape)
    attributes = {"kernel_shape": kernel_shape, "strides": strides, "pads": pads}
    wanted = integer_ops.integer_max_pool(x, **attributes)
    assert_codes(model("IntegerMaxPool", {"x": np.uint8}, **attributes), {"x": x}, wanted)


AFFINE = {"scale": 1.0, "bias": 0.0, **LIMITS}
SUM = {"a_scale": 1.0, "b_scale": 1.0, "bias": 0.0, **LIMITS}
POOL = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}
OPERATORS: dict[str, tuple[dict[str, type], dict[str, Any]]] = {
    "IntegerGlobalAveragePool": ({"x": np.uint8}, AFFINE),
    "IntegerAdd": ({"a": np.uint8, "b": np.uint8}, SUM),
    "IntegerMaxPool": ({"x": np.uint8}, POOL),
}
BROKEN = [
    *((name, {key: None}, f"attribute {key} is missing") for name, (_, all_) in OPERATORS.items() for key in all_),
    *((name, {"y_min": -1}, "y_min is -1 and y_max 255, wanted 0 <= y_min") for name in list(OPERATORS)[:2]),
    *((name, {"y_max": 256}, "y_max 256, wanted") for name in list(OPERATORS)[:2]),
    *((name, {"y_min": 9, "y_max": 8}, "y_min is 9 and y_max 8") for name in list(OPERATORS)[:2]),
    *((name, {"y_min": 2**32}, "wanted 0 <= y_min") for name in list(OPERATORS)[:2]),
    *((name, {"bias": float("nan")}, "attribute bias is not finite") for name in list(OPERATORS)[:2]),
    ("IntegerGlobalAveragePool", {"scale": float("inf")}, "attribute scale is not finite"),
    *(("IntegerGlobalAveragePool", {"keepdims": n}, f"keepdims is {n}, wanted 0 or 1") for n in (-1, 2, 2**40)),
    ("IntegerAdd", {"b_scale": float("-inf")}, "attribute b_scale is not finite"),
    ("IntegerAdd", {"a_scale": 1}, "attribute a_scale is missing, wanted a float"),
    ("IntegerAdd", {"y_min": 0.0}, "attribute y_min is missing, wanted an int"),
    ("IntegerMaxPool", {"kernel_shape": [3]}, "strides is"),
    ("IntegerMaxPool", {"kernel_shape": [3, 3, 3]}, "wanted one or two ints"),
    ("IntegerMaxPool", {"kernel_shape": [0, 3]}, "kernel_shape is .0, 3., wanted 2 ints, each from 1"),
    ("IntegerMaxPool", {"kernel_shape": [2**40, 3]}, "kernel_shape is"),
    ("IntegerMaxPool", {"strides": [1, 0]}, "strides is .1, 0., wanted"),
    ("IntegerMaxPool", {"pads": [1, 1]}, "pads is .1, 1., wanted 4 ints"),
    ("IntegerMaxPool", {"pads": [0, -1, 0, 0]}, "pads is .* each from 0"),
    ("IntegerMaxPool", {"pads": [0, 3, 0, 0]}, "wanted each smaller than its axis of kernel_shape .3, 3."),
    ("IntegerMaxPool", {"pads": [0, 0, 0, 3]}, "wanted each smaller"),
]


@pytest.mark.parametrize(("op_type", "changes", "message"), BROKEN, ids=str)
def test_broken_node_is_an_error_that_names_it(op_type, changes, message):
    inputs, attributes = OPERATORS[op_type]
    with pytest.raises(QCompileError, match=f"layer: .*{message}"):
        runtime.session(model(op_type, inputs, **{**attributes, **changes}))


@pytest.mark.parametrize("op_type", OPERATORS)
def test_the_unbroken_node_loads(op_type):
    inputs, attributes = OPERATORS[op_type]
    runtime.session(model(op_type, inputs, **attributes))


@pytest.mark.parametrize("table", [np.zeros(255, np.uint8), np.zeros((1, 256), np.uint8), np.zeros(0, np.uint8)])
def test_table_of_another_shape_is_an_error(table):
    with pytest.raises(QCompileError, match=r"layer: table is uint8 \[256\], found uint8"):
        runtime.session(model("IntegerTable", {"x": np.uint8}, table))


def test_table_must_be_an_initializer():
    with pytest.raises(QCompileError, match=r"layer: input 1 \(table\) must be an initializer"):
        runtime.session(model("IntegerTable", {"x": np.uint8, "table": np.uint8}))


REFUSED = [
    ("IntegerAdd", {}, {"a": np.zeros((2, 3), np.uint8), "b": np.zeros((3, 2), np.uint8)}, "wanted the shape of a"),
    ("IntegerAdd", {}, {"a": np.zeros((2, 3), np.uint8), "b": np.zeros(3, np.uint8)}, "wanted the shape of a"),
    ("IntegerGlobalAveragePool", {}, {"x": np.zeros((2, 3), np.uint8)}, "wanted uint8 .batch"),
    ("IntegerGlobalAveragePool", {}, {"x": np.zeros((2, 0, 3), np.uint8)}, "wanted 1 to"),
    ("IntegerGlobalAveragePool", {}, {"x": np.zeros((1, 8421505, 1), np.uint8)}, "their sum must fit int32"),
    ("IntegerMaxPool", {}, {"x": np.zeros((1, 5, 3), np.uint8)}, "wanted .batch, height, width, channels"),
    ("IntegerMaxPool", {"pads": [0] * 4}, {"x": np.zeros((1, 5, 2, 3), np.uint8)}, "too small for the kernel"),
    ("IntegerMaxPool", {}, {"x": np.zeros((1, 0, 5, 3), np.uint8)}, "too small for the kernel"),
    (
        "IntegerMaxPool",
        {"kernel_shape": [2**31 - 1] * 2, "pads": [2**31 - 2] * 4},
        {"x": np.zeros((1, 5, 5, 3), np.uint8)},
        "too large",
    ),
]


@pytest.mark.parametrize(("op_type", "changes", "feeds", "message"), REFUSED)
def test_an_input_that_does_not_fit_is_refused(op_type, changes, feeds, message):
    inputs, attributes = OPERATORS[op_type]
    session = runtime.session(model(op_type, inputs, **{**attributes, **changes}))
    with pytest.raises(Exception, match=f"layer: .*{message}"):
        session.run(None, feeds)


@pytest.mark.parametrize(
    ("scale", "bias", "limits", "message"),
    [
        (np.ones(3, np.float32), np.ones(2, np.float32), LIMITS, "wanted the same"),
        (np.ones((1, 3), np.float32), np.ones((1, 3), np.float32), LIMITS, r"scale is .* wanted float32 \[channels\]"),
        (np.ones(3, np.float32), np.full(3, np.nan, np.float32), LIMITS, "bias.* not finite"),
        (np.full(3, np.inf, np.float32), np.ones(3, np.float32), LIMITS, "scale.* not finite"),
        (np.ones(3, np.float32), np.ones(3, np.float32), {"y_min": 0}, "attribute y_max is missing"),
        (np.ones(3, np.float32), np.ones(3, np.float32), {"y_min": 9, "y_max": 8}, "y_min is 9 and y_max 8"),
    ],
)
def test_a_broken_quantize_input_is_an_error_that_names_it(scale, bias, limits, message):
    with pytest.raises(QCompileError, match=f"layer: .*{message}"):
        runtime.session(model("QuantizeInput", {"x": np.float32}, scale, bias, **limits))


def test_scales_of_quantize_input_must_be_initializers():
    with pytest.raises(QCompileError, match="layer: scale must be an initializer"):
        runtime.session(model("QuantizeInput", {"x": np.float32, "s": np.float32, "b": np.float32}, **LIMITS))


@pytest.mark.parametrize("shape", [(5,), (1, 4, 2), (3, 1)])
def test_quantize_input_refuses_other_channels(shape):
    session = runtime.session(model("QuantizeInput", {"x": np.float32}, *affine(3, 1.0, 0.0), **LIMITS))
    with pytest.raises(Exception, match=r"layer: x is .*wanted float32 \[batch, 3, \*spatial\]"):
        session.run(None, {"x": np.zeros(shape, np.float32)})
