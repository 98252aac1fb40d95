"""Helpers of the calibration tests, as fixtures: test folders are no packages."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper


def codes_to_reals(values, scale, zero_point, largest):
    """What is left of ``values`` after being codes: the definition, in float64."""
    codes = np.clip(np.rint(np.asarray(values, np.float64) / scale) + zero_point, 0, largest)
    return (codes - zero_point) * scale


@pytest.fixture
def rms_error():
    """The root of the mean squared error that a range costs values."""

    def measure(chosen, values):
        left = codes_to_reals(values, chosen.scale, chosen.zero_point, 2**chosen.bits - 1)
        return float(np.sqrt(np.mean((left - values) ** 2)))

    return measure


class Collector:
    """A reader that counts, and that fails before a batch if told to."""

    def __init__(self, batches, fail_before=None):
        self.batches, self.fail_before, self.given = batches, fail_before, 0

    def get_next(self):
        if self.given == self.fail_before:
            raise InterruptedError("killed")
        if self.given == len(self.batches):
            return None
        self.given += 1
        return {"x": self.batches[self.given - 1]}


@pytest.fixture
def make_reader():
    return Collector


@pytest.fixture
def network():
    """x [batch, 8] -> h = x w -> r = Relu(h) -> y = r + 1; and h as double, as float16 and as int64."""
    weight = np.random.default_rng(5).standard_normal((8, 6)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Add", ["r", "one"], ["y"]),
        helper.make_node("Cast", ["h"], ["double"], to=onnx.TensorProto.DOUBLE),
        helper.make_node("Cast", ["h"], ["half"], to=onnx.TensorProto.FLOAT16),
        helper.make_node("Cast", ["h"], ["whole"], to=onnx.TensorProto.INT64),
        helper.make_node("Log", ["x"], ["log"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", 1, ["batch", 8])],
        [helper.make_tensor_value_info("y", 1, ["batch", 6])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture
def batches():
    """Ten batches of growing spread: the window of the histograms has to move."""
    random = np.random.default_rng(7)
    return [(random.standard_normal((20, 8)) * 1.5**step).astype(np.float32) for step in range(10)]
