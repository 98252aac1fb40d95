"""The operators of rows within onnxruntime: the codes of numpy, and clear errors."""

import numpy as np
import pytest

from qcompile import runtime
from qcompile.errors import QCompileError
from tests.rows import CASES, random_case

ISAS = runtime.runtime_info().isas
NORMALIZATION = random_case(np.random.default_rng(0), "QuantizeLayerNormalization", 4, 10)
SOFTMAX = random_case(np.random.default_rng(0), "QuantizeSoftmax", 4, 10)


def session(case, *, threads=1, **changes):
    return runtime.session(case.model(functions=False, **changes).SerializeToString(), threads=threads)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}{list(case.x.shape)}")
def test_equals_numpy(monkeypatch, isa, case):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", isa)
    np.testing.assert_array_equal(session(case).run(None, {"x": case.x})[0], case.wanted(), strict=True)


@pytest.mark.parametrize("op", ["QuantizeLayerNormalization", "QuantizeSoftmax"])
def test_threads_give_the_same_codes(op):
    case = random_case(np.random.default_rng(1), op, 700, 300)
    np.testing.assert_array_equal(session(case, threads=4).run(None, {"x": case.x})[0], case.wanted(), strict=True)


@pytest.mark.parametrize(
    ("case", "changes", "message"),
    [
        (NORMALIZATION, {"epsilon": None}, "attribute epsilon is missing"),
        (NORMALIZATION, {"epsilon": 0.0}, "epsilon is 0.*wanted above 0"),
        (NORMALIZATION, {"epsilon": -1.0}, "wanted above 0"),
        (NORMALIZATION, {"y_max": 256}, "y_max"),
        (NORMALIZATION, {"y_min": None}, "y_min is missing"),
        (SOFTMAX, {"scale": None}, "attribute scale is missing"),
        (SOFTMAX, {"bias": float("nan")}, "bias is not finite"),
        (SOFTMAX, {"y_min": -1}, "y_min"),
    ],
)
def test_refuses_attributes(case, changes, message):
    with pytest.raises(QCompileError, match=f"layer: .*{message}"):
        session(case, **changes)


@pytest.mark.parametrize("name", ["scale", "bias"])
def test_refuses_operands_that_are_not_stored_alike_and_finite(name):
    with pytest.raises(QCompileError, match=f"layer: {name} must be an initializer"):
        session(NORMALIZATION, inputs=[name])
    for wrong, message in (
        (np.zeros(9, np.float32), r"wanted the same \[channels\]"),
        (np.zeros((1, 10), np.float32), r"wanted float32 \[channels\]"),
        (np.full(10, np.inf, np.float32), "finite"),
    ):
        case = random_case(np.random.default_rng(0), "QuantizeLayerNormalization", 4, 10)
        case.operands[name] = wrong
        with pytest.raises(QCompileError, match=f"layer: .*{message}"):
            session(case)


@pytest.mark.parametrize("shape", [(3, 11), (9,), (10, 1), (2, 3, 0), ()])
def test_refuses_an_x_of_another_width(shape):
    with pytest.raises(Exception, match=r"layer: x is .* wanted float32 \[\.\.\., (10|k)\]"):
        session(NORMALIZATION).run(None, {"x": np.zeros(shape, np.float32)})


def test_refuses_rows_that_are_too_long_for_exact_sums():
    with pytest.raises(Exception, match=r"layer: x is .*rows are at most 32768 long"):
        session(SOFTMAX).run(None, {"x": np.zeros((1, 32769), np.float32)})
    assert session(SOFTMAX).run(None, {"x": np.zeros((1, 32768), np.float32)})[0].shape == (1, 32768)
