"""The sparse operators within onnxruntime: the same numbers as qcompile.sparse_ops, an error for every broken node."""

import numpy as np
import onnx
import pytest

from qcompile import ops, runtime, sparse_ops
from qcompile.errors import QCompileError
from qcompile.reference import evaluate
from tests.runtime.models import model, random_corrections


@pytest.fixture(params=runtime.runtime_info().isas)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def assert_like_reference(packed, feeds, threads=1):
    """Within the bound of the float64 reference: (corrections of a row + 1) roundings of what is summed up."""
    [found] = runtime.session(packed, threads=threads).run(None, feeds)
    wanted = evaluate(onnx.load_model_from_string(packed), feeds)["y"]
    assert found.shape == wanted.value.shape
    assert found.dtype == np.float32
    assert (np.abs(found - wanted.value) <= wanted.error).all()
    return found


MATMULS = [  # x without its last axis, [n, k], corrections
    ((), (7, 33), 9),
    ((1,), (10, 84), 30),
    ((5,), (33, 31), 1),
    ((2, 3, 4), (130, 257), 600),
    ((200,), (8, 64), 512),
    ((0, 4), (6, 12), 3),
    ((3,), (6, 12), 0),
    ((1,), (1, 1), 1),
    ((17,), (1, 300), 20),
    ((2,), (900, 500), 3),
    ((3,), (4000, 50), 9000),
]


def matmul(random, leading, shape, count):
    arguments = random_corrections(random, shape, count)
    feeds = {
        "x": random.standard_normal((*leading, shape[1])).astype(np.float32),
        "base": random.standard_normal((*leading, shape[0])).astype(np.float32),
    }
    return model(sparse_ops.SPARSE_MATMUL, arguments, weight_shape=shape), feeds


@pytest.mark.parametrize(("leading", "shape", "count"), MATMULS)
def test_matmul_equals_the_reference(isa, leading, shape, count):
    packed, feeds = matmul(np.random.default_rng(count), leading, shape, count)
    found = assert_like_reference(packed, feeds)
    if not count:
        np.testing.assert_array_equal(found, feeds["base"])


CONVS = [  # x, weight, corrections, strides, pads, dilations, group
    ((2, 3, 32, 32), (16, 3, 3, 3), 40, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    ((1, 16, 9, 9), (32, 16, 1, 1), 100, (2, 2), (0, 0, 0, 0), (1, 1), 1),
    ((2, 16, 9, 9), (32, 16, 1, 1), 100, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((3, 8, 10, 12), (8, 1, 3, 3), 20, (2, 1), (1, 0, 2, 1), (1, 1), 8),
    ((1, 6, 11, 9), (9, 2, 3, 2), 108, (1, 2), (2, 1, 0, 3), (2, 3), 3),
    ((4, 2, 40), (5, 2, 7), 12, (3,), (2, 4), (2,), 1),
    ((1, 1, 28, 28), (6, 1, 5, 5), 10, (1, 1), (2, 2, 2, 2), (1, 1), 1),
    ((0, 2, 5, 5), (4, 2, 3, 3), 7, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((1, 2, 5, 5), (4, 2, 3, 3), 0, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((1, 2, 1, 1), (2, 2, 3, 3), 36, (1, 1), (5, 5, 5, 5), (2, 2), 1),
    ((1, 24, 57, 113), (48, 1, 3, 3), 60, (2, 2), (1, 1, 1, 1), (1, 1), 24),
]


def conv(random, x_shape, shape, count, strides, pads, dilations, group):
    geometry = {"strides": strides, "pads": pads, "dilations": dilations, "group": group}
    arguments = random_corrections(random, shape, count)
    x = random.standard_normal(x_shape).astype(np.float32)
    y_shape = ops.convolve(x, np.zeros(shape, np.float32), **geometry).shape
    feeds = {"x": x, "base": random.standard_normal(y_shape).astype(np.float32)}
    return model(sparse_ops.SPARSE_CONV, arguments, weight_shape=shape, **geometry), feeds


@pytest.mark.parametrize("case", CONVS)
def test_conv_equals_the_reference(isa, case):
    packed, feeds = conv(np.random.default_rng(case[2]), *case)
    found = assert_like_reference(packed, feeds)
    if not case[2]:
        np.testing.assert_array_equal(found, feeds["base"])


@pytest.mark.parametrize("case", [CONVS[0], CONVS[-1]])
def test_neither_threads_nor_the_instruction_set_change_a_bit(monkeypatch, case):
    made = [conv(np.random.default_rng(1), *case), matmul(np.random.default_rng(2), (40,), (300, 257), 5000)]
    for packed, feeds in made:
        results = []
        for name in runtime.runtime_info().isas:
            monkeypatch.setenv("QCOMPILE_FORCE_ISA", name)
            results += [runtime.session(packed, threads=n).run(None, feeds)[0] for n in (1, 2, 4)]
            monkeypatch.delenv("QCOMPILE_FORCE_ISA")
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)


SHAPE = (6, 10)
GAPS, VALUES = np.array([1, 0, 3, 52], np.uint16), np.array([1, 2, 3, 4], np.float32)  # the last one is at 59


BROKEN = {
    "beyond the weight": ({"gaps": np.array([1, 0, 3, 53], np.uint16)}, {}, r"correction 3 of 4 is at weight 60 of"),
    "far beyond": ({"gaps": np.full(4, 65535, np.uint16)}, {}, r"correction 0 of 4 is at weight 65535 of \[6, 10\]"),
    "smaller weight": ({}, {"weight_shape": [5, 10]}, r"is at weight 59 of \[5, 10\]"),
    "fewer values": ({"values": VALUES[:3]}, {}, r"values are float32 \[4\], found float32 \[3\]"),
    "gaps of rank 2": ({"gaps": GAPS[None]}, {}, r"gaps are uint16 \[count\], found uint16 \[1, 4\]"),
    "NaN": (
        {"values": np.array([1, 2, np.nan, 4], np.float32)},
        {},
        "values has a value that is not finite, at element 2",
    ),
    "no weight_shape": ({}, {"weight_shape": None}, "weight_shape is missing"),
    "weight of rank 1": ({}, {"weight_shape": [60]}, "wanted 2 or more sizes"),
    "weight of rank 3": ({}, {"weight_shape": [6, 5, 2]}, r"wanted \[n, k\]"),
    "zero size": ({}, {"weight_shape": [0, 2**40]}, "each from 1"),
    "negative size": ({}, {"weight_shape": [-6, 10]}, "each from 1"),
    "overflow": ({}, {"weight_shape": [2, *[2**31 - 1] * 3]}, "rows are too long"),
    "later format": ({}, {"format_version": 2}, "format_version is 2"),
}


def broken_model(arrays, attributes, **more):
    arguments = {"gaps": GAPS, "values": VALUES} | arrays
    return model(sparse_ops.SPARSE_MATMUL, arguments, **{"weight_shape": SHAPE} | attributes, **more)


@pytest.mark.parametrize(("arrays", "attributes", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_node_is_an_error_that_names_it(arrays, attributes, message):
    with pytest.raises(QCompileError, match=message) as caught:
        runtime.session(broken_model(arrays, attributes))
    assert "layer: " in str(caught.value)


def test_the_unbroken_node_loads():
    runtime.session(broken_model({}, {}))


@pytest.mark.parametrize("name", ["gaps", "values"])
def test_corrections_must_be_initializers(name):
    with pytest.raises(QCompileError, match=rf"layer: input \d \({name}\) must be an initializer"):
        runtime.session(broken_model({}, {}, inputs=[name]))


def test_gaps_of_another_type_are_an_error():
    with pytest.raises(QCompileError):
        runtime.session(broken_model({"gaps": GAPS.astype(np.uint8)}, {}))


def test_a_huge_weight_of_few_corrections_takes_no_memory():
    """Only gaps and values take bytes in a file: what is reserved must follow them, not weight_shape."""
    runtime.session(broken_model({}, {"weight_shape": [2**31 - 1, 10]}))


@pytest.mark.parametrize(
    ("x", "base", "message"),
    [
        ((3, 11), (3, 6), r"x is \[3, 11\], wanted float32 \[\.\.\., 10\]"),
        ((3, 10), (3, 5), r"base is float32 \[3, 5\], wanted float32 \[3, 6\]"),
        ((3, 10), (6,), r"base is float32 \[6\], wanted"),
        ((3, 10), (1, 6), r"wanted float32 \[3, 6\]"),
    ],
)
def test_matmul_refuses_inputs_that_do_not_fit(x, base, message):
    session = runtime.session(broken_model({}, {}))
    with pytest.raises(Exception, match=f"layer: .*{message}"):
        session.run(None, {"x": np.zeros(x, np.float32), "base": np.zeros(base, np.float32)})


GEOMETRY = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}


def conv_model(**attributes):
    arguments = random_corrections(np.random.default_rng(0), (4, 3, 3, 3), 5)
    kept = {name: value for name, value in (GEOMETRY | attributes).items() if value is not None}
    return model(sparse_ops.SPARSE_CONV, arguments, **{"weight_shape": [4, 3, 3, 3]} | kept)


@pytest.mark.parametrize("name", GEOMETRY)
def test_missing_convolution_attribute_is_an_error(name):
    with pytest.raises(QCompileError, match=f"layer: attribute {name} is missing"):
        runtime.session(conv_model(**{name: None}))


@pytest.mark.parametrize(
    "change",
    [{"strides": [0, 1]}, {"dilations": [1]}, {"pads": [0, 0, 0, -1]}, {"group": 3}, {"weight_shape": [12, 9]}],
    ids=str,
)
def test_convolution_attribute_out_of_range_is_an_error(change):
    with pytest.raises(QCompileError, match=f"layer: {next(iter(change))} is .* wanted"):
        runtime.session(conv_model(**change))


@pytest.mark.parametrize(
    ("x", "base", "message"),
    [
        ((1, 2, 5, 5), (1, 4, 3, 3), "wanted .batch, 3, height, width."),
        ((1, 3, 2, 5), (1, 4, 1, 3), "too small"),
        ((1, 3, 5, 5), (1, 4, 3, 2), r"base is float32 \[1, 4, 3, 2\], wanted float32 \[1, 4, 3, 3\]"),
        ((2, 3, 5, 5), (1, 4, 3, 3), r"wanted float32 \[2, 4, 3, 3\]"),
    ],
)
def test_conv_refuses_inputs_that_do_not_fit(x, base, message):
    session = runtime.session(conv_model())
    with pytest.raises(Exception, match=f"layer: .*{message}"):
        session.run(None, {"x": np.zeros(x, np.float32), "base": np.zeros(base, np.float32)})
