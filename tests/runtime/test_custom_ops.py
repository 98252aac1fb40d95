"""The library within onnxruntime: the same numbers as qcompile.ops, and an error for every broken node."""

import concurrent.futures
import dataclasses
import shutil
import subprocess

import numpy as np
import pytest

from qcompile import ops, runtime
from qcompile.errors import QCompileError
from tests.runtime.models import Operands, matmul_model, model, random_operands

ISAS = runtime.runtime_info().isas
EPSILON = 2.0**-24


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def assert_close(found, function, x, operands, **attributes):
    """Within (k + 2) roundings of the float64 result: see Reference in support.h for why."""
    arguments = {name: array.astype(np.float64) for name, array in operands.arguments.items()}
    arguments["indices"] = operands.arguments["indices"]
    x = x.astype(np.float64)
    exact = function(x, **arguments, **operands.attributes(), **attributes)
    weight = ops.decode_weight(arguments["indices"], arguments["codebook"], operands.bits, operands.weight_shape)
    # The same sums over magnitudes: the identity codebook makes a float weight an operand.
    magnitude = magnitudes(function, np.abs(x), np.abs(weight), arguments, attributes)
    k = int(np.prod(operands.weight_shape[1:]))
    assert found.shape == exact.shape
    assert found.dtype == np.float32
    assert (np.abs(found - exact) <= 1.01 * (k + 2) * EPSILON * magnitude).all()


def magnitudes(function, x, weight, arguments, attributes):
    scale, bias = np.abs(arguments["scale"]), np.abs(arguments["bias"])
    if function is ops.codebook_matmul:
        product = x @ weight.T
    else:
        product = np.moveaxis(
            ops.convolve(x, weight, **{name: attributes[name] for name in ("strides", "pads", "dilations", "group")}),
            1,
            -1,
        )
    product = product * (scale if scale.size else 1.0) + (bias if bias.size else 0.0)
    return product if function is ops.codebook_matmul else np.moveaxis(product, -1, 1)


MATMULS = [  # x without its last axis, [n, k], codebooks
    ((1,), (10, 84), 1),
    ((), (7, 33), 7),
    ((3,), (64, 128), 1),
    ((2, 2), (66, 130), 2),
    ((5,), (33, 31), 1),
    ((2, 3, 4), (130, 257), 1),
    ((200,), (8, 64), 8),
    ((0, 4), (6, 12), 1),
    ((1,), (1, 1), 1),
]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("leading", "shape", "groups"), MATMULS)
def test_matmul_equals_numpy(isa, bits, leading, shape, groups):
    random = np.random.default_rng([bits, *shape])
    operands = random_operands(random, bits, shape, groups, scale=bits % 2 == 0, bias=bits % 3 != 0)
    x = random.standard_normal((*leading, shape[1])).astype(np.float32)
    found = runtime.session(matmul_model(operands), threads=1).run(None, {"x": x})[0]
    assert_close(found, ops.codebook_matmul, x, operands)


CONVS = [  # x, weight, codebooks, strides, pads, dilations, group
    ((2, 3, 32, 32), (16, 3, 3, 3), 1, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    ((1, 16, 9, 9), (32, 16, 1, 1), 32, (2, 2), (0, 0, 0, 0), (1, 1), 1),
    ((3, 8, 10, 12), (8, 1, 3, 3), 8, (2, 1), (1, 0, 2, 1), (1, 1), 8),
    ((1, 6, 11, 9), (9, 2, 3, 2), 3, (1, 2), (2, 1, 0, 3), (2, 3), 3),
    ((4, 2, 40), (5, 2, 7), 1, (3,), (2, 4), (2,), 1),
    ((1, 1, 28, 28), (6, 1, 5, 5), 2, (1, 1), (2, 2, 2, 2), (1, 1), 1),
    ((0, 2, 5, 5), (4, 2, 3, 3), 1, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((2, 40, 14, 15), (40, 1, 5, 5), 1, (1, 1), (2, 2, 2, 2), (1, 1), 40),
    ((1, 24, 57, 113), (48, 1, 3, 3), 48, (2, 2), (1, 1, 1, 1), (1, 1), 24),
    ((2, 6, 300), (6, 1, 9), 1, (2,), (4, 4), (3,), 6),
]


@pytest.mark.parametrize("bits", [1, 3, 4, 8])
@pytest.mark.parametrize(("x_shape", "shape", "groups", "strides", "pads", "dilations", "group"), CONVS)
def test_conv_equals_numpy(isa, bits, x_shape, shape, groups, strides, pads, dilations, group):
    random = np.random.default_rng([bits, *shape])
    operands = random_operands(random, bits, shape, groups, scale=bits != 3, bias=bits != 4)
    x = random.standard_normal(x_shape).astype(np.float32)
    attributes = {"strides": strides, "pads": pads, "dilations": dilations, "group": group}
    packed = model(ops.CODEBOOK_CONV, operands.arguments, **operands.attributes(), **attributes)
    found = runtime.session(packed, threads=1).run(None, {"x": x})[0]
    assert_close(found, ops.codebook_conv, x, operands, **attributes)


@pytest.mark.parametrize("rows", [1, 3, 50, 700])
def test_threads_do_not_change_a_bit(isa, rows):
    random = np.random.default_rng(rows)
    packed = matmul_model(random_operands(random, 3, (300, 257), 3))
    x = random.standard_normal((rows, 257)).astype(np.float32)
    one, two, four = (runtime.session(packed, threads=n).run(None, {"x": x})[0] for n in (1, 2, 4))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, four)


@pytest.mark.parametrize(("channels", "size"), [(3, 150), (700, 14)])
def test_threads_do_not_change_a_bit_of_a_depthwise_convolution(isa, channels, size):
    random = np.random.default_rng(channels)
    operands = random_operands(random, 3, (channels, 1, 3, 3))
    attributes = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": channels}
    packed = model(ops.CODEBOOK_CONV, operands.arguments, **operands.attributes(), **attributes)
    x = random.standard_normal((2, channels, size, size)).astype(np.float32)
    one, two, four = (runtime.session(packed, threads=n).run(None, {"x": x})[0] for n in (1, 2, 4))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, four)


@pytest.mark.parametrize("threads", [1, 2])
def test_concurrent_runs_of_one_session_agree(threads):
    random = np.random.default_rng(5)
    session = runtime.session(matmul_model(random_operands(random, 4, (200, 96))), threads=threads)
    inputs = [random.standard_normal((rows, 96)).astype(np.float32) for rows in (1, 4, 9, 250)] * 25
    alone = [session.run(None, {"x": x})[0] for x in inputs]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: session.run(None, {"x": x})[0], inputs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_not_a_number_stays_in_its_row(isa):
    operands = random_operands(np.random.default_rng(1), 4, (20, 40))
    x = np.ones((6, 40), np.float32)
    x[2, 3], x[4, 5] = np.nan, np.inf
    found = runtime.session(matmul_model(operands), threads=1).run(None, {"x": x})[0]
    assert np.isnan(found[2]).all()
    assert not np.isfinite(found[4]).any()
    assert np.isfinite(found[[0, 1, 3, 5]]).all()


OPERANDS = random_operands(np.random.default_rng(0), 3, (6, 10), 2)
CONV_ATTRIBUTES = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}


def changed(**arguments):
    return dataclasses.replace(OPERANDS, arguments={**OPERANDS.arguments, **arguments})


def with_nan(name):
    array = OPERANDS.arguments[name].copy()
    array.flat[1] = np.nan
    return changed(**{name: array})


BROKEN = {
    "cut": (changed(indices=OPERANDS.arguments["indices"][:-1]), {}, r"uint8 \[23\], found uint8 \[22\]"),
    "too long": (changed(indices=np.zeros(24, np.uint8)), {}, r"found uint8 \[24\]"),
    "indices of rank 2": (changed(indices=OPERANDS.arguments["indices"][None]), {}, r"found uint8 \[1, 23\]"),
    "other bits": (OPERANDS, {"bits": 4}, r"4-bit indices"),
    "bits 0": (OPERANDS, {"bits": 0}, "bits is 0, wanted 1 to 8"),
    "bits 9": (OPERANDS, {"bits": 9}, "bits is 9, wanted 1 to 8"),
    "bits of 33 bits": (OPERANDS, {"bits": 2**32 + 3}, "wanted 1 to 8"),
    "bits is a float": (OPERANDS, {"bits": 3.0}, "bits is missing"),
    "no bits": (OPERANDS, {"bits": None}, "bits is missing"),
    "no weight_shape": (OPERANDS, {"weight_shape": None}, "weight_shape is missing"),
    "weight of rank 3": (OPERANDS, {"weight_shape": [6, 5, 2]}, r"wanted \[n, k\]"),
    "larger weight": (OPERANDS, {"weight_shape": [6, 11]}, r"\[6, 11\] are uint8 \[25\]"),
    "same bytes, other shape": (OPERANDS, {"weight_shape": [10, 6]}, "scale is float32"),
    "negative size": (OPERANDS, {"weight_shape": [-6, 10]}, "each from 1"),
    "zero size": (OPERANDS, {"weight_shape": [0, 2**40]}, "each from 1"),
    "overflow": (OPERANDS, {"weight_shape": [2**31 - 1] * 3}, "overflows"),
    "later format": (OPERANDS, {"format_version": 2}, "format_version is 2"),
    "short codebook": (changed(codebook=np.zeros((2, 7), np.float32)), {}, r"codebook is float32 \[groups, 8\]"),
    "no codebook": (changed(codebook=np.zeros((0, 8), np.float32)), {}, r"found float32 \[0, 8\]"),
    "groups do not divide": (changed(codebook=np.zeros((4, 8), np.float32)), {}, "divisor of 6"),
    "short scale": (changed(scale=np.ones(5, np.float32)), {}, r"found float32 \[5\]"),
    "short bias": (changed(bias=np.ones(1, np.float32)), {}, r"found float32 \[1\]"),
    "NaN in the codebook": (with_nan("codebook"), {}, "codebook has a value that is not finite, at element 1"),
    "NaN in the scale": (with_nan("scale"), {}, "scale has a value that is not finite"),
    "NaN in the bias": (with_nan("bias"), {}, "bias has a value that is not finite"),
    "descending codebook": (
        changed(codebook=OPERANDS.arguments["codebook"][:, ::-1].copy()),
        {},
        "codebook decreases after element 0",
    ),
}


@pytest.mark.parametrize(("operands", "changes", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_node_is_an_error_that_names_it(operands: Operands, changes, message):
    with pytest.raises(QCompileError, match=message) as caught:
        runtime.session(matmul_model(operands, **changes))
    assert "layer: " in str(caught.value)


def test_the_unbroken_node_loads():
    runtime.session(matmul_model(OPERANDS))


@pytest.mark.parametrize("name", ["indices", "codebook", "scale", "bias"])
def test_weights_must_be_initializers(name):
    packed = model(ops.CODEBOOK_MATMUL, OPERANDS.arguments, inputs=[name], **OPERANDS.attributes())
    with pytest.raises(QCompileError, match=rf"layer: input \d \({name}\) must be an initializer"):
        runtime.session(packed)


@pytest.mark.parametrize("dtype", [np.float64, np.int8])
def test_codebook_of_another_type_is_an_error(dtype):
    operands = changed(codebook=OPERANDS.arguments["codebook"].astype(dtype))
    with pytest.raises(QCompileError):
        runtime.session(matmul_model(operands))


@pytest.mark.parametrize("name", CONV_ATTRIBUTES)
def test_missing_convolution_attribute_is_an_error(name):
    operands = random_operands(np.random.default_rng(0), 2, (4, 3, 3, 3))
    attributes = {key: value for key, value in CONV_ATTRIBUTES.items() if key != name}
    packed = model(ops.CODEBOOK_CONV, operands.arguments, **operands.attributes(), **attributes)
    with pytest.raises(QCompileError, match=f"layer: attribute {name} is missing"):
        runtime.session(packed)


@pytest.mark.parametrize(
    "change",
    [{"strides": [0, 1]}, {"dilations": [1]}, {"pads": [0, 0, 0, -1]}, {"pads": [0, 0]}, {"group": 3}, {"group": 0}],
    ids=str,
)
def test_convolution_attribute_out_of_range_is_an_error(change):
    operands = random_operands(np.random.default_rng(0), 2, (4, 3, 3, 3))
    attributes = {**CONV_ATTRIBUTES, **change}
    packed = model(ops.CODEBOOK_CONV, operands.arguments, **operands.attributes(), **attributes)
    with pytest.raises(QCompileError, match=f"layer: {next(iter(change))} is .* wanted"):
        runtime.session(packed)


@pytest.mark.parametrize("shape", [(3, 11), (9,), (10, 1), (2, 3, 0)])
def test_matmul_refuses_an_x_of_another_width(shape):
    session = runtime.session(matmul_model(OPERANDS))
    with pytest.raises(Exception, match=r"layer: x is .* wanted float32 \[\.\.\., 10\]"):
        session.run(None, {"x": np.zeros(shape, np.float32)})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 2, 5, 5), "wanted .batch, 3, height, width."),
        ((1, 3, 5), "wanted .batch, 3"),
        ((3, 5, 5), "wanted .batch, 3"),
        ((1, 3, 2, 5), "too small"),
        ((1, 3, 0, 0), "too small"),
    ],
)
def test_conv_refuses_an_x_that_does_not_fit(shape, message):
    operands = random_operands(np.random.default_rng(0), 2, (4, 3, 3, 3))
    packed = model(ops.CODEBOOK_CONV, operands.arguments, **operands.attributes(), **CONV_ATTRIBUTES)
    with pytest.raises(Exception, match=f"layer: x is .* {message}|layer: x is .*{message}"):
        runtime.session(packed).run(None, {"x": np.zeros(shape, np.float32)})


def test_library_exports_one_symbol():
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("needs nm, from binutils")
    command = [nm, "-D", "--defined-only", str(runtime.library_path())]
    symbols = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    assert [line.split()[-1] for line in symbols if line] == ["RegisterCustomOps"]
