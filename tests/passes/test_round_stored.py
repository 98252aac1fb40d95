import numpy as np
import pytest
from onnx.helper import make_node

from qcompile.passes.round_stored import CONVOLUTIONS, STORED, RoundStored, list_left_stored
from qcompile.passes.round_weights import round_to_grid


def layer(tools, rng, kind, weight_shape, x_shape, **attributes):
    tensors = {"fc.weight": rng.standard_normal(weight_shape).astype(np.float32)}
    return tools.make_model([make_node(kind, ["x", "fc.weight"], ["y"], name="layer", **attributes)], tensors, x_shape)


@pytest.mark.parametrize(
    ("kind", "weight_shape", "x_shape", "rows"),
    [
        ("MatMul", (4, 16, 16), [2, 4, 3, 16], 64),
        ("MatMul", (4, 64, 5), [4, 3, 64], 4),  # rows of 5 are short
        ("Conv", (8, 6, 3, 3, 3), [1, 6, 4, 4, 4], 8),
        ("ConvTranspose", (16, 8, 3, 3), [1, 16, 5, 5], 16),
    ],
)
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_rounds_rows_and_gives_the_weight_its_shape_again(tools, rng, kind, weight_shape, x_shape, rows, bits):
    before = layer(tools, rng, kind, weight_shape, x_shape)
    after = tools.apply(RoundStored(bits, STORED), before)
    assert tools.op_types(after) == ["Gather", "Mul", "Reshape", kind]
    arrays, weight = tools.initializers(after), tools.initializers(before)["fc.weight"]
    numbers, steps = round_to_grid(weight.reshape(rows, -1), bits)
    looked_up = arrays["fc.weight.codebook"][arrays["fc.weight.indices"]]
    np.testing.assert_array_equal(looked_up, numbers.astype(np.float32))
    np.testing.assert_array_equal(arrays["fc.weight.scale"], steps[:, None])
    assert tuple(arrays["fc.weight.shape"]) == weight_shape


@pytest.mark.parametrize(
    ("kind", "weight_shape", "x_shape", "reason"),
    [
        ("MatMul", (4, 8, 8), [2, 4, 3, 8], "its weight has 256 numbers"),
        ("ConvTranspose", (8, 8, 3, 3), [1, 8, 5, 5], "its weight has 576 numbers"),
    ],
)
def test_leaves_alone_and_says_why(tools, rng, kind, weight_shape, x_shape, reason):
    after = tools.apply(RoundStored(4, STORED), layer(tools, rng, kind, weight_shape, x_shape), modified=False)
    [(name, found)] = list_left_stored(after)
    assert name == "layer"
    assert reason in found


def test_only_the_places_that_are_given_are_rounded(tools, rng):
    places = {kind: place for kind, place in STORED.items() if kind not in CONVOLUTIONS}
    model = layer(tools, rng, "ConvTranspose", (16, 8, 3, 3), [1, 16, 5, 5])
    after = tools.apply(RoundStored(4, places), model, modified=False)
    assert list_left_stored(after) == [("layer", "no samples say how its activations become integers")]


def test_a_weight_that_is_not_finite_is_told(tools):
    tensors = {"fc.weight": np.full((4, 16, 16), np.nan, np.float32)}
    model = tools.make_model([make_node("MatMul", ["x", "fc.weight"], ["y"])], tensors, [4, 3, 16])
    after = tools.apply(RoundStored(4, STORED), model, modified=False)
    assert list_left_stored(after) == [("y", "its weight has a value that is not finite")]
