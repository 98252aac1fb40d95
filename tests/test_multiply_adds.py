import pytest

from qcompile.multiply_adds import multiply_adds


@pytest.mark.parametrize(
    ("operator", "inputs", "output", "weight_shape", "wanted"),
    [
        ("IntegerConv", [[1, 8, 8, 4]], [1, 8, 8, 6], [6, 4, 3, 3], 64 * 6 * 36),
        ("CodebookConv", [[1, 4, 8, 8]], [1, 6, 8, 8], [6, 1, 3, 3], 64 * 6 * 9),
        ("IntegerMatMulFloat", [[2, 5, 7]], [2, 5, 3], [3, 7], 10 * 3 * 7),
        ("SparseConv", [[1, 4, 8, 8], [1, 6, 8, 8], [5], [5]], [1, 6, 8, 8], [6, 4, 3, 3], 64 * 5),
        ("Conv", [[1, 4, 8, 8], [6, 4, 3, 3], [6]], [1, 6, 8, 8], None, 64 * 6 * 36),
        ("QLinearConv", [[1, 4, 8, 8], [], [], [6, 2, 3, 3]], [1, 6, 8, 8], None, 64 * 6 * 18),
        ("MatMul", [[2, 5, 7], [7, 3]], [2, 5, 3], None, 10 * 3 * 7),
        ("Gemm", [[7, 5], [7, 3]], [5, 3], None, 5 * 3 * 7),
        ("MatMul", [[7], [7, 3]], [3], None, 21),
        ("CodebookGather", [[2, 5]], [2, 5, 16], [9, 16], None),
        ("Relu", [[2]], [2], None, None),
        ("IntegerAdd", [[2], [2]], [2], None, None),
    ],
)
def test_counts_by_the_shapes_of_a_run(operator, inputs, output, weight_shape, wanted):
    assert multiply_adds(operator, inputs, output, weight_shape) == wanted
