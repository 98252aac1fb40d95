import numpy as np
import pytest
from onnx.helper import make_node

from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.round_weights import RoundWeights, has_float_weight, round_to_grid


def layer(tools, rng, op_type, shape, **attributes):
    tensors = {"fc.weight": rng.standard_normal(shape).astype(np.float32)}
    x_shape = {"Conv": ["b", shape[1] * attributes.get("group", 1), 5, 6][: len(shape)], "MatMul": ["b", 3, shape[0]]}
    k = shape[1] if attributes.get("transB") else shape[0]
    node = make_node(op_type, ["x", "fc.weight"], ["y"], **attributes)
    return tools.make_model([node], tensors, x_shape.get(op_type, ["b", k])), tensors["fc.weight"]


LAYERS = [
    ("Conv", (4, 3, 3, 3), {}),
    ("Conv", (4, 1, 3), {"group": 4}),
    ("MatMul", (6, 5), {}),
    ("Gemm", (6, 5), {}),
    ("Gemm", (6, 5), {"transB": 1, "alpha": 0.5}),
]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("op_type", "shape", "attributes"), LAYERS)
def test_rounds_to_whole_numbers_times_a_step_for_each_output(tools, rng, op_type, shape, attributes, bits):
    before, weight = layer(tools, rng, op_type, shape, **attributes)
    after = tools.apply(RoundWeights(bits), before)
    found = {name.removeprefix("fc.weight."): array for name, array in tools.initializers(after).items()}
    assert set(found) == {"codebook", "indices", "scale"}
    assert found["indices"].shape == shape
    rounded = found["codebook"][found["indices"]] * found["scale"]
    outputs = 0 if op_type == "Conv" or attributes.get("transB") else 1
    steps = np.moveaxis(np.broadcast_to(found["scale"], shape), outputs, 0).reshape(weight.shape[outputs], -1)
    assert (steps == steps[:, :1]).all()
    if bits == 8:  # the whole range: nothing is cut
        assert (np.abs(rounded - weight) <= 0.5001 * np.broadcast_to(found["scale"], shape)).all()
    values = [-1, 1] if bits == 1 else range(-(2 ** (bits - 1)), 2 ** (bits - 1))
    assert found["codebook"].tolist() == list(values)


@pytest.mark.parametrize(("op_type", "shape", "attributes"), LAYERS)
def test_the_rounded_model_computes_with_the_rounded_weight_and_is_fused(tools, rng, op_type, shape, attributes):
    before, _ = layer(tools, rng, op_type, shape, **attributes)
    after = tools.apply(RoundWeights(8), before)
    fused = tools.infer(after.clone())
    for rewrite in (FuseCodebookMatMul(), FuseCodebookConv()):
        rewrite(fused)
    tools.assert_same_numbers(after, fused)
    [node] = fused.graph
    assert (node.name, node.op_type) == ("fc", "CodebookConv" if op_type == "Conv" else "CodebookMatMul")


def test_more_bits_have_less_error(rng):
    rows = rng.standard_normal((20, 100)).astype(np.float32)
    errors = []
    for bits in range(1, 9):
        numbers, steps = round_to_grid(rows, bits)
        errors.append(np.square(numbers * steps[:, None] - rows).sum())
        assert numbers.min() >= -(2 ** (bits - 1))
        assert numbers.max() <= max(1, 2 ** (bits - 1) - 1)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_no_other_of_the_steps_is_better(rng, bits):
    rows = rng.standard_normal((5, 40)).astype(np.float32)
    numbers, steps = round_to_grid(rows, bits)
    error = np.square(numbers * steps[:, None] - rows).sum(axis=1)
    high = 2 ** (bits - 1) - 1
    for cut in np.linspace(0.4, 1, 61):
        step = np.abs(rows).max(axis=1, keepdims=True) * cut / high
        other = np.clip(np.rint(rows / step), -high - 1, high) * step
        assert (error <= np.square(other - rows).sum(axis=1) * (1 + 1e-5)).all()


@pytest.mark.parametrize("bits", range(1, 9))
def test_an_output_of_zeros_stays_zero(bits):
    rows = np.zeros((2, 5), np.float32)
    rows[1] = [1, -1, 1, 1, -1]
    numbers, steps = round_to_grid(rows, bits)
    found = numbers * steps[:, None]
    assert not found[0].any()
    np.testing.assert_allclose(found[1], rows[1], rtol=0.21 if bits == 2 else 1e-6)


@pytest.mark.parametrize("size", [1e-38, 1e38])
def test_sizes_at_the_ends_of_float32(size):
    numbers, steps = round_to_grid(np.array([[size, -size / 2]], np.float32), 8)
    assert np.isfinite(steps).all()
    assert np.abs(numbers * steps[:, None] - [[size, -size / 2]]).max() <= max(size / 127, 1e-30)


def test_a_weight_that_two_layers_read_is_rounded_for_both(tools, rng):
    tensors = {"w": rng.standard_normal((4, 4)).astype(np.float32)}
    nodes = [make_node("MatMul", ["x", "w"], ["h"]), make_node("Gemm", ["h", "w"], ["y"], transB=1)]
    after = tools.apply(RoundWeights(8), tools.make_model(nodes, tensors, ["b", 4]))
    assert tools.op_types(after) == ["Gather", "Mul", "MatMul", "Gather", "Mul", "Gemm"]
    names = list(tools.initializers(after))
    assert len(names) == len(set(names)) == 6


@pytest.mark.parametrize(
    ("node", "tensors", "x_shape"),
    [
        (make_node("MatMul", ["w", "x"], ["y"]), {"w": (4, 4)}, [4, 3]),
        (make_node("Gemm", ["x", "w"], ["y"], transA=1), {"w": (4, 5)}, [4, 3]),
        (make_node("MatMul", ["x", "w"], ["y"]), {"w": (2, 4, 5)}, [2, 3, 4]),
        (make_node("Conv", ["x", "w"], ["y"]), {"w": (2, 3, 1, 1, 1)}, [1, 3, 4, 4, 4]),
        (make_node("Add", ["x", "w"], ["y"]), {"w": (4,)}, [3, 4]),
        (make_node("MatMul", ["x", "x"], ["y"]), {}, [4, 4]),
    ],
)
def test_leaves_alone(tools, rng, node, tensors, x_shape):
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in tensors.items()}
    tools.apply(RoundWeights(8), tools.make_model([node], arrays, x_shape), modified=False)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_leaves_a_weight_alone_that_is_not_finite(tools, rng, value):
    model, weight = layer(tools, rng, "MatMul", (6, 5))
    weight[2, 3] = value
    model = tools.make_model([make_node("MatMul", ["x", "w"], ["y"])], {"w": weight}, ["b", 6])
    tools.apply(RoundWeights(8), model, modified=False)


def test_leaves_a_learned_weight_alone(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (6, 5), 4)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, np.zeros((6, 5), np.float32), scale="each")
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    model = tools.make_model(nodes, tensors, ["b", 5])
    tools.apply(RoundWeights(4), model, modified=False)
    assert not any(has_float_weight(node) for node in model.graph)


def test_bits_by_name_are_those_of_the_layers(tools, rng):
    before, _ = layer(tools, rng, "Gemm", (6, 5), transB=1)
    found = tools.initializers(tools.apply(RoundWeights({"fc": 3}), before))
    assert found["fc.weight.codebook"].size == 8
