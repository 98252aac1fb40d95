"""Rounding to bfloat16 by its definition, and bounds that hold for every way to run the operators."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from qcompile import bfloat16_ops, ops
from qcompile.bfloat16_bounds import round_bounded
from qcompile.bounded import Bounded
from qcompile.errors import ModelError
from qcompile.reference import evaluate
from tests.runtime.models import model, random_operands

LEAST = bfloat16_ops.LEAST_NORMAL


def adversarial_floats():
    """Every upper half with the lower halves around a tie and at the ends: all exponents, infinities, NaN."""
    upper = np.arange(2**16, dtype=np.uint32) << np.uint32(16)
    return np.concatenate([upper | np.uint32(low) for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]).view(np.float32)


def test_rounds_to_the_nearest_and_ties_to_even():
    values = adversarial_floats()
    values = values[np.isfinite(values)]
    exact = values.astype(np.float64)
    step = np.exp2(np.maximum(np.frexp(exact)[1], -125) - 8)
    wanted = np.rint(exact / step) * step  # of float64: half to even
    wanted = np.where(np.abs(wanted) >= 2.0**128, np.copysign(np.inf, exact), wanted)
    found = bfloat16_ops.round_to_bfloat16(values)
    np.testing.assert_array_equal(found, wanted.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(values))
    np.testing.assert_array_equal(bfloat16_ops.round_to_bfloat16(found), found)


def test_infinity_and_nan_stay():
    payloads = np.array([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF, 0x7FC00000], np.uint32).view(np.float32)
    found = bfloat16_ops.round_to_bfloat16(payloads)
    assert np.isnan(found).all()
    assert not (found.view(np.uint32) & 0xFFFF).any()
    np.testing.assert_array_equal(bfloat16_ops.round_to_bfloat16(np.float32([np.inf, -np.inf])), [np.inf, -np.inf])


def test_a_rounded_codebook_is_accepted_and_a_plain_one_refused():
    codebook = np.sort(np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32))
    rounded = bfloat16_ops.round_codebook(codebook)
    assert np.abs(rounded / codebook - 1).max() <= 2.0**-8
    assert (np.diff(rounded, axis=1) >= 0).all()
    bfloat16_ops.check_bfloat16_codebook("layer", rounded)
    with pytest.raises(ModelError, match=r"layer: codebook has .*, no bfloat16 value"):
        bfloat16_ops.check_bfloat16_codebook("layer", codebook)


def test_denormal_entries_become_zero_and_are_refused():
    codebook = np.array([[-LEAST, -LEAST / 2, 0.0, LEAST / 128]], np.float32)
    np.testing.assert_array_equal(bfloat16_ops.round_codebook(codebook), np.float32([[-LEAST, 0, 0, 0]]))
    with pytest.raises(ModelError, match="denormal"):
        bfloat16_ops.check_bfloat16_codebook("layer", codebook)


def test_an_uncertain_value_reaches_as_far_as_its_rounded_ends():
    tie = 1 + 2.0**-8  # between 1 and 1 + 2^-7, becomes 1
    x = Bounded(np.array([tie, tie, 1.0, 1.0]), np.array([0.0, 1e-7, 1e-7, 0.0]))
    found = round_bounded(x)
    np.testing.assert_array_equal(found.value, np.ones(4))
    np.testing.assert_array_equal(found.error, [0, 2.0**-7, 0, 0])


def test_what_is_denormal_may_be_zero():
    x = np.array([LEAST / 2, -LEAST / 4, LEAST * (1 - 2.0**-20), LEAST * 2, np.inf, 0.0])
    found = round_bounded(Bounded(x, np.zeros(x.shape)))
    np.testing.assert_array_equal(found.error, [LEAST / 2, LEAST / 4, LEAST, 0, 0, 0])


CONVOLUTION = {"strides": [1, 2], "pads": [1, 0, 1, 1], "dilations": [1, 1], "group": 2}
SHAPES = [((5, 33), (7, 33), {}), ((2, 6, 8, 9), (4, 3, 3, 3), CONVOLUTION)]


@pytest.mark.parametrize(("x_shape", "shape", "attributes"), SHAPES)
def test_equals_numpy(x_shape, shape, attributes):
    random = np.random.default_rng(3)
    operands = random_operands(random, 4, shape, groups=shape[0])
    operands.arguments["codebook"] = bfloat16_ops.round_codebook(operands.arguments["codebook"])
    x = random.standard_normal(x_shape).astype(np.float32)
    names = (ops.CODEBOOK_CONV_BFLOAT16, bfloat16_ops.codebook_conv_bfloat16)
    if not attributes:
        names = (ops.CODEBOOK_MATMUL_BFLOAT16, bfloat16_ops.codebook_matmul_bfloat16)
    packed = onnx.load_model_from_string(model(names[0], operands.arguments, **operands.attributes(), **attributes))
    wanted = evaluate(packed, {"x": x})["y"]
    indices, *floats = operands.arguments.values()
    arguments = [indices, *(array.astype(np.float64) for array in floats)]
    exact = names[1](x.astype(np.float64), *arguments, **operands.attributes(), **attributes)
    np.testing.assert_allclose(wanted.value, exact, rtol=1e-12)
    assert (wanted.error < 1e-3).all()


def test_corrections_read_x_as_it_is():
    x, weight = np.float32([[1 + 2.0**-10]]), np.float32([[2.0, 4.0]])
    nodes = [
        helper.make_node(
            ops.CODEBOOK_MATMUL_BFLOAT16,
            ["x", "i", "c", "none", "none"],
            ["base"],
            domain=ops.DOMAIN,
            bits=1,
            weight_shape=[1, 1],
        ),
        helper.make_node(
            "SparseMatMul", ["x", "base", "gaps", "values"], ["y"], domain=ops.DOMAIN, weight_shape=[1, 1]
        ),
    ]
    arrays = {"i": np.zeros(1, np.uint8), "c": weight, "none": np.zeros(0, np.float32)}
    arrays |= {"gaps": np.zeros(1, np.uint16), "values": np.float32([3])}
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    values = evaluate(helper.make_model(helper.make_graph(nodes, "g", [], [], stored)), {"x": x})
    assert values["base"].value.item() == 2
    assert values["y"].value.item() == 2 + 3 * (1 + 2.0**-10)
