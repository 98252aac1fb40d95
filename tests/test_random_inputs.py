import numpy as np
import pytest
from onnx import TensorProto, helper

from qcompile.errors import DataError
from qcompile.random_inputs import random_inputs


def model_of(*inputs):
    values = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]
    return helper.make_model(helper.make_graph([], "g", values, []))


def test_free_axes_are_1_and_the_same_arguments_give_the_same_arrays():
    model = model_of(("x", TensorProto.FLOAT, ["batch", 3, "height", 5]))
    first, second = random_inputs(model), random_inputs(model)
    assert first["x"].shape == (1, 3, 1, 5)
    assert first["x"].dtype == np.float32
    np.testing.assert_array_equal(first["x"], second["x"])


def test_batch_and_shapes_fill_free_axes():
    model = model_of(("x", TensorProto.FLOAT, ["batch", 3, "height"]), ("y", TensorProto.FLOAT, ["batch"]))
    made = random_inputs(model, batch=4, shapes={"x": (2, 3, 9)})
    assert {name: array.shape for name, array in made.items()} == {"x": (2, 3, 9), "y": (4,)}


@pytest.mark.parametrize(
    ("kind", "dtype", "largest"),
    [
        (TensorProto.UINT8, np.uint8, 255),
        (TensorProto.INT8, np.int8, 127),
        (TensorProto.INT64, np.int64, 1),
        (TensorProto.BOOL, np.bool_, 1),
        (TensorProto.FLOAT16, np.float16, 1),
        (TensorProto.DOUBLE, np.float64, 1),
    ],
)
def test_values_are_of_the_type(kind, dtype, largest):
    array = random_inputs(model_of(("x", kind, [1000])))["x"]
    assert array.dtype == dtype
    assert array.max() <= largest
    assert len(np.unique(array)) > 1


def test_initializers_among_the_inputs_are_no_inputs():
    model = model_of(("x", TensorProto.FLOAT, [2]), ("w", TensorProto.FLOAT, [2]))
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT, [2], [0, 0]))
    assert set(random_inputs(model)) == {"x"}


@pytest.mark.parametrize(
    ("kind", "shape", "more", "message"),
    [
        (TensorProto.STRING, [2], {}, "cannot be made up"),
        (TensorProto.BFLOAT16, [2], {}, "cannot be made up"),
        (TensorProto.FLOAT, None, {}, "no shape in the model; say one"),
        (TensorProto.FLOAT, [2, 3], {"shapes": {"x": (2, 4)}}, "given 2 x 4, the model takes 2 x 3"),
        (TensorProto.FLOAT, ["n", 3], {"shapes": {"x": (3,)}}, "the model takes any x 3"),
        (TensorProto.FLOAT, [2, 3], {"batch": 4}, "given 4 x 3, the model takes 2 x 3"),
        (TensorProto.FLOAT, [2], {"shapes": {"z": (2,)}}, "a shape for z: the model's inputs are x"),
        (TensorProto.FLOAT, [2**31, 2**31], {}, "does not fit into memory"),
    ],
)
def test_what_cannot_be_guessed_is_an_error(kind, shape, more, message):
    with pytest.raises(DataError, match=message):
        random_inputs(model_of(("x", kind, shape)), **more)
