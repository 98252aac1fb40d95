import numpy as np
import pytest
from onnx.helper import make_node

from qcompile.passes.turn_products import TurnProducts

WEIGHT = "fc.weight"


def apply(tools, rng, nodes, weight_shape, x_shape, *, modified=True):
    tensors = {WEIGHT: rng.standard_normal(weight_shape).astype(np.float32)}
    before = tools.infer(tools.make_model(nodes, tensors, x_shape))
    after = tools.apply(TurnProducts(), before, modified=modified)
    tools.assert_same_numbers(before, after)
    return after


@pytest.mark.parametrize("x_shape", [[5], [5, 3], [2, 5, 3], ["m", 4, 5, 3]])
def test_a_constant_on_the_left_moves_to_the_right(tools, rng, x_shape):
    after = apply(tools, rng, [make_node("MatMul", [WEIGHT, "x"], ["y"])], (6, 5), x_shape)
    assert tools.op_types(after) == ["Transpose", "MatMul", "Transpose"]
    assert tools.initializers(after)[WEIGHT].shape == (5, 6)


def test_readers_of_the_product_read_what_is_turned_back(tools, rng):
    nodes = [make_node("MatMul", [WEIGHT, "x"], ["h"]), make_node("Relu", ["h"], ["y"])]
    after = apply(tools, rng, nodes, (6, 5), [2, 5, 3])
    assert tools.op_types(after) == ["Transpose", "MatMul", "Transpose", "Relu"]


@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm_gets_an_x_that_is_transposed_before(tools, rng, trans_b):
    gemm = make_node("Gemm", ["x", WEIGHT], ["y"], transA=1, transB=trans_b, alpha=0.5)
    after = apply(tools, rng, [gemm], (6, 5) if trans_b else (5, 6), [5, 3])
    assert tools.op_types(after) == ["Transpose", "Gemm"]
    assert "transA" not in after.graph[1].attributes


def test_a_transposed_constant_becomes_a_constant(tools, rng):
    nodes = [make_node("Transpose", [WEIGHT], ["t"]), make_node("MatMul", ["x", "t"], ["y"])]
    after = apply(tools, rng, nodes, (6, 5), [3, 5])
    assert tools.op_types(after) == ["MatMul"]
    assert tools.initializers(after)[WEIGHT].shape == (5, 6)


@pytest.mark.parametrize(
    ("node", "weight_shape", "x_shape"),
    [
        (make_node("MatMul", ["x", WEIGHT], ["y"]), (5, 6), [3, 5]),
        (make_node("MatMul", [WEIGHT, "x"], ["y"]), (2, 6, 5), [2, 5, 3]),
        (make_node("Gemm", [WEIGHT, "x"], ["y"]), (6, 5), [5, 3]),
    ],
)
def test_leaves_alone(tools, rng, node, weight_shape, x_shape):
    apply(tools, rng, [node], weight_shape, x_shape, modified=False)
