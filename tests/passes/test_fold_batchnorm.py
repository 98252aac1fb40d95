import numpy as np
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.passes.fold_batchnorm import FoldBatchNorm
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul

N = 4


def fused(tools, rng, followers, tensors, *, kind="conv", bias=False, outputs=("y",), rank=2, alpha=1.0):
    """A fused operator with output h, then `followers`; shapes inferred, as the pipeline does."""
    if kind == "conv":
        nodes, weight, _ = tools.make_lookup(rng, (N, 2, 3, 3), 5, layer="layer")
        weight |= {"layer.bias": rng.standard_normal(N).astype(np.float32)} if bias else {}
        inputs, x_shape = ["x", "layer.weight", *["layer.bias"] * bias], ["b", 2, 5, 6]
        nodes.append(make_node("Conv", inputs, ["h"]))
    else:
        nodes, weight, _ = tools.make_lookup(rng, (N, 6), 5, layer="layer")
        weight |= {"layer.bias": rng.standard_normal(N).astype(np.float32)} if bias else {}
        x_shape = ["b", *[3] * (rank - 2), 6]
        if rank == 2:
            inputs = ["x", "layer.weight", *["layer.bias"] * bias]
            nodes.append(make_node("Gemm", inputs, ["h"], transB=1, alpha=alpha))
        else:
            nodes += [make_node("Transpose", ["layer.weight"], ["t"]), make_node("MatMul", ["x", "t"], ["h"])]
    model = tools.infer(tools.make_model([*nodes, *followers], weight | tensors, x_shape, outputs))
    FuseCodebookConv()(model)
    FuseCodebookMatMul()(model)
    return model


def normalization(rng, source="h", target="y"):
    names = ["gamma", "beta", "mean", "variance"]
    tensors = {name: rng.standard_normal(N).astype(np.float32) for name in names}
    tensors["variance"] = rng.uniform(0.1, 3, N).astype(np.float32)
    return make_node("BatchNormalization", [source, *names], [target], epsilon=1e-3), tensors


def each_channel(rng, *ones):
    return {"c": rng.standard_normal((N, *ones)).astype(np.float32)}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["conv", "matmul"])
def test_folds_batch_normalization(tools, rng, kind, bias):
    node, tensors = normalization(rng)
    before = fused(tools, rng, [node], tensors, kind=kind, bias=bias, alpha=0.7)
    codebook = tools.initializers(before)["layer.weight.codebook"]
    after = tools.apply(FoldBatchNorm(), before)
    assert len(after.graph) == 1
    assert [value.name for value in after.graph[0].inputs[3:]] == ["layer.weight.scale", "layer.bias"]
    np.testing.assert_array_equal(tools.initializers(after)["layer.weight.codebook"], codebook)
    tools.assert_same_numbers(before, after)


@pytest.mark.parametrize("op_type", ["Mul", "Add"])
@pytest.mark.parametrize("kind", ["conv", "matmul"])
@pytest.mark.parametrize("shape", ["each", "one", "scalar", "batched"])
@pytest.mark.parametrize("constant_first", [False, True])
def test_folds_a_constant_for_each_channel(tools, rng, op_type, kind, shape, constant_first):
    ones = (1, 1) if kind == "conv" else ()
    full = {"each": (N, *ones), "one": (1,), "scalar": (), "batched": (1, N, *ones)}[shape]
    tensors = {"c": rng.standard_normal(full).astype(np.float32)}
    node = make_node(op_type, ["c", "h"] if constant_first else ["h", "c"], ["y"])
    before = fused(tools, rng, [node], tensors, kind=kind, bias=True)
    after = tools.apply(FoldBatchNorm(), before)
    assert len(after.graph) == 1
    tools.assert_same_numbers(before, after)


def test_an_added_constant_becomes_the_bias_under_its_own_name(tools, rng):
    tensors = {"fc.bias": rng.standard_normal(N).astype(np.float32)}
    before = fused(tools, rng, [make_node("Add", ["h", "fc.bias"], ["y"])], tensors, kind="matmul", rank=3)
    after = tools.apply(FoldBatchNorm(), before)
    assert [value.name for value in after.graph[0].inputs[3:]] == ["absent", "fc.bias"]
    np.testing.assert_array_equal(tools.initializers(after)["fc.bias"], tensors["fc.bias"])
    tools.assert_same_numbers(before, after)


def test_folds_a_chain_and_keeps_what_follows(tools, rng):
    node, tensors = normalization(rng, "a", "n")
    chain = [make_node("Mul", ["h", "c"], ["a"]), node, make_node("Relu", ["n"], ["y"])]
    before = fused(tools, rng, chain, tensors | each_channel(rng, 1, 1), bias=True)
    after = tools.apply(FoldBatchNorm(), before)
    assert tools.op_types(after) == ["CodebookConv", "Relu"]
    tools.assert_same_numbers(before, after)


def test_a_bias_with_another_reader_stays(tools, rng):
    nodes = [make_node("Add", ["h", "c"], ["y"]), make_node("Relu", ["layer.bias"], ["z"])]
    before = fused(tools, rng, nodes, each_channel(rng, 1, 1), bias=True, outputs=("y", "z"))
    after = tools.apply(FoldBatchNorm(), before)
    assert {"layer.bias", "layer.bias_1"} <= set(after.graph.initializers)
    tools.assert_same_numbers(before, after)


def left_alone_cases(rng):
    node, tensors = normalization(rng)
    training, _ = normalization(rng)
    training.attribute.add(name="training_mode", i=1, type=2)
    training.output.extend(["running_mean", "running_variance"])
    zero = tensors | {"variance": np.full(N, -1e-3, np.float32)}
    huge = {"c": np.full(N, 3e38, np.float32)[:, None, None], "d": np.full((N, 1, 1), 3e38, np.float32)}
    wide = {"c": rng.standard_normal((1, 1, 1, N)).astype(np.float32)}
    deep = {"c": rng.standard_normal((1, 1, 1, N)).astype(np.float32)}
    add, matmul = make_node("Add", ["h", "c"], ["y"]), {"kind": "matmul"}
    yield [node, make_node("Relu", ["h"], ["z"])], tensors, {"outputs": ("y", "z")}  # another reader
    yield [node], tensors, {"outputs": ("y", "h")}  # the graph's output
    yield [training], tensors, {}
    yield [node], zero, {}  # variance + epsilon is 0
    yield [node], tensors | {"variance": np.ones(N, np.float32)}, {"kind": "matmul", "rank": 3, "bn": 3}
    yield [add], {"c": rng.standard_normal((5 - 2, 6 - 2)).astype(np.float32)}, {}  # one for each position
    yield [add], wide, {}  # along the last axis of a convolution
    yield [add], deep, matmul  # it adds axes
    yield [make_node("Mul", ["h", "h"], ["y"])], {}, {}
    yield [make_node("Div", ["h", "c"], ["y"])], each_channel(rng, 1, 1), {}
    yield [make_node("Mul", ["c", "d"], ["e"]), make_node("Mul", ["h", "e"], ["y"])], huge, {}  # computed


@pytest.mark.parametrize("case", range(11))
def test_leaves_alone(tools, rng, case):
    followers, tensors, options = list(left_alone_cases(rng))[case]
    if options.pop("bn", 0):  # channels of a product of rank 3 are its last axis, those of the normalization axis 1
        tensors = {name: array[:3] for name, array in tensors.items()}
    tools.apply(FoldBatchNorm(), fused(tools, rng, followers, tensors, **options), modified=False)


def test_leaves_a_result_alone_that_float32_cannot_hold(tools, rng):
    nodes = [make_node("Mul", ["h", "c"], ["a"]), make_node("Mul", ["a", "d"], ["y"])]
    big = {name: np.full((N, 1, 1), 3e38, np.float32) for name in "cd"}
    after = tools.apply(FoldBatchNorm(), fused(tools, rng, nodes, big))
    assert tools.op_types(after) == ["CodebookConv", "Mul"]


def test_ensures_that_nothing_is_left(tools, rng):
    before = fused(tools, rng, [make_node("Add", ["h", "c"], ["y"], name="add")], each_channel(rng, 1, 1))
    with pytest.raises(ir.passes.PostconditionError, match="add: Add was not folded into layer"):
        FoldBatchNorm().ensures(before)


def test_leaves_a_constant_that_is_not_finite_alone(tools, rng):
    tensors = {"c": np.full((N, 1, 1), np.nan, np.float32)}
    before = fused(tools, rng, [make_node("Add", ["h", "c"], ["y"])], tensors)
    tools.apply(FoldBatchNorm(), before, modified=False)
