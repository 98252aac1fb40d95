import numpy as np
import onnx
import onnx.helper
import onnxruntime
import pytest

from qcompile.rounding.columns import POSITIONS, Convolution, Dense

CONVOLUTIONS = [
    ((3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    ((3, 2), (2, 1), (1, 2), (0, 1, 2, 0), 2),
    ((1, 1), (2, 2), (1, 1), (0, 0, 0, 0), 1),
    ((3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 4),
    ((3,), (2,), (2,), (1, 2), 2),
]


def convolve(x, weight, columns):
    """What onnxruntime computes."""
    attributes = {"strides": columns.strides, "dilations": columns.dilations, "pads": columns.pads}
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], group=columns.group, **attributes)
    values = [onnx.helper.make_tensor_value_info(name, 1, None) for name in "xwy"]
    graph = onnx.helper.make_graph([node], "g", values[:2], values[2:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x, "w": weight})[0]


@pytest.mark.parametrize("settings", CONVOLUTIONS)
def test_a_weight_times_the_columns_is_the_convolution(settings):
    rng = np.random.default_rng(0)
    columns = Convolution(*settings)
    # Whole numbers: every sum is exact.
    x = rng.integers(-3, 4, (2, 4, *(6, 7)[: len(columns.kernel)])).astype(np.float32)
    weight = rng.integers(-3, 4, (8, 4 // columns.group, *columns.kernel)).astype(np.float32)
    found = columns.columns(x, rng)
    assert found.dtype == np.float64
    assert columns.width(x.shape) == found.shape[0] * found.shape[2]
    outputs = found @ weight.reshape(columns.group, 8 // columns.group, -1).transpose(0, 2, 1)  # [group, rows, n]
    wanted = np.moveaxis(convolve(x, weight, columns), 1, -1).reshape(-1, 8)
    np.testing.assert_array_equal(outputs.transpose(1, 0, 2).reshape(-1, 8), wanted)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (2, 2, 3, 5)])
def test_the_columns_of_a_matrix_product_are_its_rows(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = Dense().columns(x, np.random.default_rng(0))
    np.testing.assert_array_equal(found, x.reshape(1, -1, 5))


def test_of_many_positions_some_are_looked_at_and_the_same_by_the_same_seed():
    x = np.random.default_rng(0).standard_normal((2, 3, 20, 20)).astype(np.float32)
    columns = Convolution((1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1)
    first, again = (columns.columns(x, np.random.default_rng(1)) for _ in range(2))
    assert first.shape == (1, 2 * POSITIONS, 3)
    np.testing.assert_array_equal(first, again)
    every = {tuple(pixel) for pixel in np.moveaxis(x, 1, -1).reshape(-1, 3).tolist()}
    assert len({tuple(row) for row in first[0].tolist()} & every) == 2 * POSITIONS
    assert Dense().columns(np.zeros((2, 100, 4), np.float32), np.random.default_rng(0)).shape == (1, 2 * POSITIONS, 4)
