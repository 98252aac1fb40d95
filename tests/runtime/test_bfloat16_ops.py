"""CodebookMatMulBfloat16 and CodebookConvBfloat16 in the library: numpy's numbers, within the reference's bound."""

import numpy as np
import onnx
import pytest

from qcompile import bfloat16_ops, ops, runtime
from qcompile.comparison import worst_ratio
from qcompile.errors import QCompileError
from qcompile.functions import function_bodies
from qcompile.kernel_choice import kernels_of
from qcompile.reference import evaluate
from tests.runtime.models import model, random_operands

ISAS = runtime.runtime_info().isas
PLAIN = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}
LEAST = bfloat16_ops.LEAST_NORMAL


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def rounded_operands(random, bits, shape, groups=1, **present):
    operands = random_operands(random, bits, shape, groups, **present)
    operands.arguments["codebook"] = bfloat16_ops.round_codebook(operands.arguments["codebook"])
    return operands


def packed_layer(operands, **attributes):
    """One layer: a convolution where there are its attributes."""
    operator = ops.CODEBOOK_CONV_BFLOAT16 if "strides" in attributes else ops.CODEBOOK_MATMUL_BFLOAT16
    return model(operator, operands.arguments, **{**operands.attributes(), **attributes})


def run(packed, x, threads=1):
    return runtime.session(packed, threads=threads).run(None, {"x": x})[0]


def run_stock(packed, x):
    portable = onnx.load_model_from_string(packed)
    portable.functions.extend(function_bodies([portable.graph.node[0].op_type], 18))
    return runtime.session(portable.SerializeToString(), threads=1, library=False).run(None, {"x": x})[0]


def assert_within_bound(packed, x):
    wanted = evaluate(onnx.load_model_from_string(packed), {"x": x})["y"]
    for found in (run(packed, x), run_stock(packed, x)):
        assert found.shape == wanted.value.shape
        assert worst_ratio(found, wanted) <= 1


MATMULS = [  # x without its last axis, [n, k], codebooks
    ((1,), (10, 84), 1),
    ((), (7, 33), 7),
    ((2, 2), (66, 130), 2),
    ((9,), (33, 31), 1),
    ((16,), (70, 512), 1),
    ((2, 3, 4), (130, 257), 1),
    ((200,), (8, 513), 8),
    ((0, 4), (6, 12), 1),
    ((17,), (1, 1), 1),
]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("leading", "shape", "groups"), MATMULS)
def test_matmul_equals_numpy(isa, bits, leading, shape, groups):
    random = np.random.default_rng([bits, *shape])
    operands = rounded_operands(random, bits, shape, groups, scale=bits % 2 == 0, bias=bits % 3 != 0)
    assert_within_bound(packed_layer(operands), random.standard_normal((*leading, shape[1])).astype(np.float32))


CONVS = [  # x, weight, codebooks, strides, pads, dilations, group
    ((2, 3, 32, 32), (16, 3, 3, 3), 1, (1, 1), (1, 1, 1, 1), (1, 1), 1),
    ((1, 16, 9, 9), (32, 16, 1, 1), 32, (2, 2), (0, 0, 0, 0), (1, 1), 1),
    ((3, 8, 10, 12), (8, 1, 3, 3), 8, (2, 1), (1, 0, 2, 1), (1, 1), 8),
    ((1, 6, 11, 9), (9, 2, 3, 2), 3, (1, 2), (2, 1, 0, 3), (2, 3), 3),
    ((4, 2, 40), (5, 2, 7), 1, (3,), (2, 4), (2,), 1),
    ((1, 1, 28, 28), (6, 1, 5, 5), 2, (1, 1), (2, 2, 2, 2), (1, 1), 1),
    ((0, 2, 5, 5), (4, 2, 3, 3), 1, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((2, 40, 14, 15), (40, 1, 5, 5), 1, (1, 1), (2, 2, 2, 2), (1, 1), 40),
]


@pytest.mark.parametrize("bits", [1, 3, 4, 8])
@pytest.mark.parametrize(("x_shape", "shape", "groups", "strides", "pads", "dilations", "group"), CONVS)
def test_conv_equals_numpy(isa, bits, x_shape, shape, groups, strides, pads, dilations, group):
    random = np.random.default_rng([bits, *shape])
    operands = rounded_operands(random, bits, shape, groups, scale=bits != 3, bias=bits != 4)
    attributes = {"strides": strides, "pads": pads, "dilations": dilations, "group": group}
    assert_within_bound(packed_layer(operands, **attributes), random.standard_normal(x_shape).astype(np.float32))


@pytest.mark.parametrize("rows", [1, 40])
def test_ties_are_rounded_as_the_reference_does(isa, rows):
    """A sum of one product tells what x became."""
    operands = rounded_operands(np.random.default_rng(0), 1, (1, 1), scale=False, bias=False)
    operands.arguments |= {"codebook": np.ones((1, 2), np.float32)}
    upper = np.arange(0, 2**16, 7, dtype=np.uint32) << np.uint32(16)
    x = np.concatenate([upper | np.uint32(low) for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]).view(np.float32)
    x = x[np.isfinite(x) & ((np.abs(x) >= LEAST) | (x == 0))]
    x = x[: x.size // rows * rows].reshape(-1, rows, 1)
    wanted = bfloat16_ops.round_to_bfloat16(x)
    session = runtime.session(packed_layer(operands), threads=1)
    for some, result in zip(x[:: 1 if rows > 1 else 97], wanted[:: 1 if rows > 1 else 97], strict=True):
        np.testing.assert_array_equal(session.run(None, {"x": some})[0], result)


@pytest.mark.parametrize("rows", [3, 20])
def test_denormal_numbers_keep_the_bound(isa, rows):
    random = np.random.default_rng(rows)
    operands = rounded_operands(random, 4, (20, 40), bias=False)
    x = (random.standard_normal((rows, 40)) * LEAST).astype(np.float32)
    assert_within_bound(packed_layer(operands), x)


@pytest.mark.parametrize("rows", [6, 18])
def test_not_a_number_stays_in_its_row(isa, rows):
    operands = rounded_operands(np.random.default_rng(1), 4, (20, 40))
    x = np.ones((rows, 40), np.float32)
    x[2, 3], x[4, 5], x[5, 7] = np.nan, np.inf, np.uint32(0x7F800001).view(np.float32)  # NaN in the lower half only
    found = run(packed_layer(operands), x)
    assert np.isnan(found[[2, 5]]).all()
    assert not np.isfinite(found[4]).any()
    assert np.isfinite(np.delete(found, [2, 4, 5], axis=0)).all()


@pytest.mark.parametrize("rows", [1, 7, 50, 700])
def test_threads_do_not_change_a_bit(isa, rows):
    random = np.random.default_rng(rows)
    packed = packed_layer(rounded_operands(random, 3, (300, 257), 3))
    x = random.standard_normal((rows, 257)).astype(np.float32)
    one, two, four = (run(packed, x, threads) for threads in (1, 2, 4))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, four)


@pytest.mark.parametrize("entry", [0.1, 2.0**-127, np.nextafter(np.float32(1), np.float32(2))])
@pytest.mark.parametrize("attributes", [{}, PLAIN])
def test_a_codebook_of_other_floats_is_an_error_that_says_which(entry, attributes):
    shape = (4, 3, 3, 3) if attributes else (4, 10)
    operands = rounded_operands(np.random.default_rng(0), 1, shape)
    operands.arguments["codebook"] = np.float32([[0, entry]])
    with pytest.raises(QCompileError, match=r"layer: codebook element 1 is .* wanted bfloat16 values, zero or normal"):
        runtime.session(packed_layer(operands, **attributes))


def test_the_rules_of_every_packed_weight_hold_too():
    operands = rounded_operands(np.random.default_rng(0), 3, (6, 10))
    for changes, message in (
        ({"bits": 9}, "bits is 9"),
        ({"weight_shape": [6, 11]}, r"\[6, 11\]"),
        ({"weight_shape": [6, 5, 2]}, r"wanted \[n, k\]"),
        ({"format_version": 2}, "format_version is 2"),
    ):
        with pytest.raises(QCompileError, match=f"layer: .*{message}"):
            runtime.session(packed_layer(operands, **changes))
    with pytest.raises(Exception, match=r"layer: x is .* wanted float32 \[\.\.\., 10\]"):
        run(packed_layer(operands), np.zeros((3, 11), np.float32))
    convolution = packed_layer(rounded_operands(np.random.default_rng(0), 2, (4, 3, 3, 3)), **PLAIN)
    with pytest.raises(Exception, match=r"layer: x is .*wanted .batch, 3, height, width."):
        run(convolution, np.zeros((1, 2, 5, 5), np.float32))


def with_x(packed, shape):
    proto = onnx.load_model_from_string(packed)
    return kernels_of(proto, {"x": shape})["y"]


def test_the_kernels_are_named(isa):
    matmul = packed_layer(rounded_operands(np.random.default_rng(0), 4, (64, 128)))
    conv = packed_layer(rounded_operands(np.random.default_rng(0), 4, (64, 64, 3, 3)), **PLAIN)
    depthwise = packed_layer(rounded_operands(np.random.default_rng(0), 4, (64, 1, 3, 3)), **PLAIN | {"group": 64})
    floats = {"avx512_bf16": "avx512", "avx512_vnni": "avx512", "avx_vnni": "avx2"}.get(isa, isa)
    many = "codebook_gemm_bfloat16_avx512_bf16" if isa == "avx512_bf16" else f"codebook_gemm_{floats}"
    assert with_x(matmul, (1, 128)).startswith("codebook_gemv_")
    assert with_x(matmul, (100, 128)) == many
    assert with_x(conv, (1, 64, 9, 9)) == many
    assert with_x(depthwise, (1, 64, 9, 9)) == f"codebook_depthwise_{floats}"
