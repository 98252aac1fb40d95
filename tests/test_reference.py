"""The float64 reference against onnxruntime, and its bound: never exceeded, and not so wide that it proves nothing."""

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

from qcompile.bounded import gamma
from qcompile.errors import ModelError
from qcompile.reference import evaluate


def model_of(text, **initializers):
    model = onnx.parser.parse_model('<ir_version: 9, opset_import: ["" : 20]> ' + text)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in initializers.items())
    return model


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(model, x):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


CASES = {
    "mlp": (
        "g (float[m, 40] x) => (float[m, 5] y) { h = Gemm <transB = 1> (x, w, b) t = Tanh (h) u = MatMul (t, v) "
        "s = Sigmoid (u) q = Mul (s, u) y = Softmax (q) }",
        {"w": normal(1, 30, 40), "b": normal(2, 30), "v": normal(3, 30, 5)},
        (6, 40),
    ),
    "conv": (
        "g (float[m, 4, 9, 8] x) => (float[m, 6, 1, 1] y) "
        "{ c = Conv <group = 2, pads = [1, 0, 2, 1], strides = [2, 1], dilations = [1, 2]> (x, w, b) "
        "n = BatchNormalization (c, g, o, mean, var) r = Relu (n) "
        "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r) y = GlobalAveragePool (p) }",
        {
            "w": normal(1, 6, 2, 3, 3),
            "b": normal(2, 6),
            "g": normal(3, 6),
            "o": normal(4, 6),
            "mean": normal(5, 6),
            "var": np.abs(normal(6, 6)) + np.float32(0.1),
        },
        (3, 4, 9, 8),
    ),
    "layer normalization": (
        "g (float[m, 5, 300] x) => (float[m, 5, 300] y) { z = Add (x, far) a = LayerNormalization <axis = 2> (z, g, b) "
        "t = Tanh (a) y = LayerNormalization <epsilon = 0.1> (t, b, g) }",
        {"far": np.float32([3]), "g": normal(1, 300), "b": normal(2, 300)},
        (3, 5, 300),
    ),
    "changed weight": (
        'g (float[m, 40] x) => (float[m, 30] y) { s = Mul (w, f) c = ScatterND <reduction = "add"> (s, p, v) '
        "y = Gemm <transB = 1> (x, c) }",
        {
            "w": normal(1, 30, 40),
            "f": normal(2, 30, 1),
            "p": np.array([[0, 0], [3, 39], [3, 39], [-1, 5]]),
            "v": 10 * normal(3, 4),
        },
        (6, 40),
    ),
    "moves": (
        "g (float[m, 4, 6] x) => (float[m, 12] y) { a = AveragePool <kernel_shape = [2], strides = [2]> (x) "
        "t = Transpose <perm = [0, 2, 1]> (a) s = Sub (t, c) d = Add (s, t) y = Flatten (d) }",
        {"c": normal(1, 4)},
        (5, 4, 6),
    ),
    "residual": (
        "g (float[m, 4, 6, 6] x) => (float[m, 8] y) { s = Sub (x, c) n = Div (s, d) "
        "e = Slice (n, starts, ends, axes, steps) p = Pad (e, pads, zero) "
        "q = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (n, w) a = Add (p, q) m2 = Mul (a, a) o = Add (m2, one) "
        "v = Div (a, o) y = ReduceMean <keepdims = 0> (v, inner) }",
        {
            "c": normal(1, 4, 1, 1),
            "d": np.abs(normal(2, 4, 1, 1)) + np.float32(0.2),
            "w": normal(3, 8, 4, 3, 3),
            "starts": np.array([0, 0]),
            "ends": np.array([6, 6]),
            "axes": np.array([2, 3]),
            "steps": np.array([2, 2]),
            "pads": np.array([0, 2, 0, 0, 0, 2, 0, 0]),
            "zero": np.array(0, np.float32),
            "one": np.array(1, np.float32),
            "inner": np.array([2, 3]),
        },
        (5, 4, 6, 6),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_onnxruntime_stays_within_the_bound_and_the_bound_is_tight_enough(name):
    text, initializers, shape = CASES[name]
    model, x = model_of(text, **initializers), normal(0, *shape)
    found, wanted = run(model, x), evaluate(model, {"x": x})["y"]
    assert found.shape == wanted.value.shape == wanted.error.shape
    assert (np.abs(found - wanted.value) <= wanted.error).all()
    assert wanted.error.max() < 0.01 * np.ptp(wanted.value)  # a wrong operator is off by far more
    assert (wanted.error > 0).all()


def test_an_operator_without_a_rule_has_no_bound():
    model = model_of("g (float[m, 4] x) => (float[m, 4] y) { s = Erf (x) y = Relu (s) }")
    x = normal(0, 3, 4)
    result = evaluate(model, {"x": x})["y"]
    np.testing.assert_allclose(result.value, run(model, x), rtol=1e-5, atol=0)  # erf: a few roundings
    assert np.isinf(result.error).all()


def test_a_division_by_what_may_be_zero_has_no_bound():
    model = model_of("g (float[2] x) => (float[2] y) { t = Tanh (x) y = Div (x, t) }")
    result = evaluate(model, {"x": np.array([0.0, 1.0], np.float32)})["y"]
    assert np.isinf(result.error[0])
    assert 0 < result.error[1] < 1e-5


def test_a_computed_bias_passes_its_error_on_and_a_constant_node_is_exact():
    text = (
        "g (float[m, 40] x, float[m, 5] z) => (float[m, 5] y) "
        "{ c = Constant <value = float[1] {0.3}> () t = Tanh (z) b = Mul (t, c) y = Gemm <beta = 100.0> (x, w, b) }"
    )
    model, feeds = model_of(text, w=normal(1, 40, 5)), {"x": normal(0, 6, 40), "z": normal(2, 6, 5)}
    result = evaluate(model, feeds)
    assert not result["c"].error.any()
    assert (result["y"].error >= 100 * result["b"].error).all()
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0]
    assert (np.abs(found - result["y"].value) <= result["y"].error).all()


def test_every_output_of_an_operator_without_a_rule_is_there():
    model = model_of(
        "g (float[m, 4] x) => (float[m, 2] y) { a, b = Split <axis = 1, num_outputs = 2> (x) y = Add (a, b) }"
    )
    x = normal(0, 3, 4)
    result = evaluate(model, {"x": x})["y"]
    np.testing.assert_allclose(result.value, x[:, :2] + x[:, 2:], rtol=1e-7, atol=0)  # float64 of exact float32 inputs
    assert np.isinf(result.error).all()


def test_what_cannot_be_computed_is_an_error_that_names_the_node():
    model = model_of("g (float[m, 4] x) => (float[m, 4] y) { y = MatMul (x, w) }", w=normal(1, 5, 4))
    with pytest.raises(ModelError, match="MatMul '' cannot be computed"):
        evaluate(model, {"x": normal(0, 3, 4)})


def test_a_missing_input_is_an_error():
    model = model_of("g (float[m, 4] x) => (float[m, 4] y) { y = Relu (x) }")
    with pytest.raises(ModelError, match="no value for input x; given: z"):
        evaluate(model, {"z": normal(0, 1, 4)})


def test_gamma_bounds_a_sum_of_adverse_roundings():
    terms = 1000
    values = np.full(terms, np.float32(0.1))
    total = np.float32(0)
    for value in values:
        total += value
    exact_total = terms * float(np.float32(0.1))
    assert abs(float(total) - exact_total) <= gamma(terms) * exact_total


def test_whole_numbers_are_exact():
    model = model_of(
        "g (int64[2] x) => (int64[2] y) { a = Add (x, x) m = Mul (a, x) d = Div (m, x) y = Sub (d, x) }",
    )
    found = evaluate(model, {"x": np.array([3, 2**20])})["y"]
    assert found.value.tolist() == [3, 2**20]
    assert not found.error.any()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_elements_of_fewer_places_than_the_data_has(axis):
    model = model_of(
        f"g (float[4, 5] x) => (float[2, 3] y) {{ y = GatherElements <axis = {axis}> (x, places) }}",
        places=np.array([[0, -1, 2], [3, 1, -2]]),
    )
    x = normal(1, 4, 5)
    found = evaluate(model, {"x": x})["y"]
    np.testing.assert_array_equal(found.value, run(model, x))
    assert not found.error.any()
