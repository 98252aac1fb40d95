import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from qcompile.calibration import Range

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).tiny)
ends = st.floats(-LARGEST, LARGEST, allow_subnormal=True)
pairs = st.tuples(ends, ends).map(sorted)
widths = st.integers(1, 8)


@given(pairs, widths)
def test_the_scale_is_a_normal_float32_and_the_zero_point_a_code(pair, bits):
    chosen = Range(*pair, bits)
    assert SMALLEST <= chosen.scale <= LARGEST
    assert chosen.scale == float(np.float32(chosen.scale))
    assert isinstance(chosen.zero_point, int)
    assert 0 <= chosen.zero_point <= 2**bits - 1
    assert chosen.low <= 0 <= chosen.high


@given(pairs, widths)
def test_the_codes_cover_the_range_to_half_a_step(pair, bits):
    chosen = Range(*pair, bits)
    largest = 2**bits - 1
    # The scale is rounded to float32 (2^-24), or cut to what float32 holds: then only one-bit codes can fall short.
    slack = chosen.scale * (0.5 + largest * 2.0**-23)
    if bits > 1:
        assert -chosen.zero_point * chosen.scale <= chosen.low + slack
        assert (largest - chosen.zero_point) * chosen.scale >= chosen.high - slack


@given(pairs, widths)
def test_one_sided_ranges_use_every_code(pair, bits):
    low, high = pair
    assert Range(0, max(high, -low, 0.0), bits).zero_point == 0
    if min(low, -high) < -SMALLEST * 255:  # a smaller range has the smallest scale, and codes to spare
        assert Range(min(low, -high), 0, bits).zero_point == 2**bits - 1


@given(pairs, widths)
def test_onnxruntime_keeps_zero_exactly(pair, bits):
    chosen = Range(*pair, bits)
    assert round_trip(np.zeros(3, np.float32), chosen).tolist() == [0, 0, 0]


def round_trip(x, chosen):
    """``x`` through QuantizeLinear and DequantizeLinear of onnxruntime."""
    session = round_trip_session()
    feed = {"x": x, "scale": np.array(chosen.scale, np.float32)}
    feed["zero_point"] = np.array(chosen.zero_point, np.uint8)
    return session.run(None, feed)[0]


def round_trip_session(made=[]):  # noqa: B006 (made once: a session takes longer than the test)
    if not made:
        parameters = ["scale", "zero_point"]
        nodes = [
            helper.make_node("QuantizeLinear", ["x", *parameters], ["q"]),
            helper.make_node("DequantizeLinear", ["q", *parameters], ["y"]),
        ]
        types = {"x": (1, [3]), "scale": (1, []), "zero_point": (2, [])}
        inputs = [helper.make_tensor_value_info(name, *about) for name, about in types.items()]
        graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", 1, [3])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        made.append(onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]))
    return made[0]


def test_known_ranges():
    assert (Range(0, 255, 8).scale, Range(0, 255, 8).zero_point) == (1.0, 0)
    assert (Range(-128, 127, 8).scale, Range(-128, 127, 8).zero_point) == (1.0, 128)
    assert (Range(-1, 2, 2).scale, Range(-1, 2, 2).zero_point) == (1.0, 1)
    assert (Range(-3, 0, 2).scale, Range(-3, 0, 2).zero_point) == (1.0, 3)


def test_a_range_without_zero_is_widened():
    assert Range(2, 6, 4) == Range(0, 6, 4)
    assert Range(-6, -2, 4) == Range(-6, 0, 4)


def test_a_range_of_only_zero_has_a_safe_scale():
    for zero in (0, 0.0, -0.0):
        assert (Range(zero, zero, 8).scale, Range(zero, zero, 8).zero_point) == (1.0, 0)


def test_extreme_ranges_stay_in_float32():
    assert Range(0, 1e-44, 8).scale == SMALLEST
    assert Range(-LARGEST, LARGEST, 1).scale == LARGEST


@pytest.mark.parametrize(
    ("low", "high"), [(np.nan, 1), (0, np.nan), (-np.inf, 1), (0, np.inf), (0, 1e39), (1, 0.5), (-0.5, -1)]
)
def test_ends_that_are_no_range_are_refused(low, high):
    with pytest.raises(ValueError, match="finite float32 numbers that rise"):
        Range(low, high, 8)


@pytest.mark.parametrize("bits", [-1, 0, 9])
def test_codes_are_of_1_to_8_bits(bits):
    with pytest.raises(ValueError, match="wanted 1 to 8"):
        Range(0, 1, bits)
