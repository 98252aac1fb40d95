import itertools

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from qcompile.errors import ModelError
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.left_alone import list_left_alone

N, K = 6, 5


@pytest.mark.parametrize("entries", [1, 2, 3, 5, 16, 200, 256])
def test_fuses_a_matmul_through_transpose(tools, rng, entries):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K), entries)
    nodes += [
        make_node("Transpose", ["fc.weight"], ["t"], perm=[1, 0]),
        make_node("MatMul", ["x", "t"], ["y"], name="node_linear"),
    ]
    before = tools.make_model(nodes, tensors, ["m", K])
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["CodebookMatMul"]
    assert after.graph[0].name == "fc"
    assert list(after.graph.initializers) == ["absent", "fc.weight.indices", "fc.weight.codebook"]
    assert list(after.graph[0].attributes["weight_shape"].as_ints()) == [N, K]
    assert after.graph.opset_imports == {"": 18, "qcompile": 1}
    tools.assert_same_numbers(before, after)


@pytest.mark.parametrize("x_shape", [[K], ["m", K], [2, "m", K]])
def test_fuses_indices_that_are_in_the_order_of_matmul(tools, rng, x_shape):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 5)
    before = tools.make_model([*nodes, make_node("MatMul", ["x", "fc.weight"], ["y"])], tensors, x_shape)
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["CodebookMatMul"]
    tools.assert_same_numbers(before, after)


@pytest.mark.parametrize("groups", [2, 3, N])
@pytest.mark.parametrize("read", ["MatMul", "Gemm"])
def test_fuses_a_codebook_for_each_group_of_channels(tools, rng, groups, read):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K), 3, groups)
    if groups == N:  # shapes agree already: no Reshape
        nodes, tensors = nodes[:1], {name: array for name, array in tensors.items() if "shape" not in name}
        nodes[0].output[0] = "fc.weight"
    if read == "Gemm":
        nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    else:
        nodes += [make_node("Transpose", ["fc.weight"], ["t"]), make_node("MatMul", ["x", "t"], ["y"])]
    before = tools.make_model(nodes, tensors, ["m", K])
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["CodebookMatMul"]
    assert tools.initializers(after)["fc.weight.codebook"].shape == (groups, 256)
    tools.assert_same_numbers(before, after)


@pytest.mark.parametrize("shape", [(N,), (1, N), (1,), (1, 1), ()])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.3, -1.7), (1.0, 0.0)])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_fuses_gemm_with_its_bias_and_factors(tools, rng, shape, alpha, beta, trans_b):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K) if trans_b else (K, N), 4)
    tensors["fc.bias"] = rng.standard_normal(shape).astype(np.float32)
    gemm = make_node("Gemm", ["x", "fc.weight", "fc.bias"], ["y"], alpha=alpha, beta=beta, transB=trans_b)
    before = tools.make_model([*nodes, gemm], tensors, ["m", K])
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["CodebookMatMul"]
    assert after.graph[0].inputs[4].name == "fc.bias"
    assert after.graph[0].inputs[3].name == ("absent" if alpha == 1 else "fc.weight.scale")
    tools.assert_same_numbers(before, after)


@pytest.mark.parametrize("stored", [np.int32, np.int64, np.uint8])
def test_reads_indices_of_each_type(tools, rng, stored):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 9)
    tensors["fc.weight.indices"] = tensors["fc.weight.indices"].astype(stored)
    if stored == np.uint8:
        nodes[0].input[1] = "wide"
        nodes.insert(0, make_node("Cast", ["fc.weight.indices"], ["wide"], to=TensorProto.INT32))
    before = tools.make_model([*nodes, make_node("MatMul", ["x", "fc.weight"], ["y"])], tensors, ["m", K])
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["CodebookMatMul"]
    tools.assert_same_numbers(before, after)


def test_counts_a_negative_index_from_the_end(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 4)
    tensors["fc.weight.indices"] = tensors["fc.weight.indices"] - 4
    before = tools.make_model([*nodes, make_node("MatMul", ["x", "fc.weight"], ["y"])], tensors, ["m", K])
    after = tools.apply(FuseCodebookMatMul(), before)
    tools.assert_same_numbers(before, after)


def test_two_readers_share_one_weight(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (K, K), 4)
    nodes += [make_node("MatMul", ["x", "fc.weight"], ["h"]), make_node("MatMul", ["h", "fc.weight"], ["y"])]
    before = tools.make_model(nodes, tensors, ["m", K])
    after = tools.apply(FuseCodebookMatMul(), before)
    first, second = after.graph
    assert first.inputs[1] is second.inputs[1]
    assert [first.name, second.name] == ["fc", "fc_1"]
    tools.assert_same_numbers(before, after)


def test_keeps_a_lookup_that_is_an_output(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 4)
    nodes.append(make_node("MatMul", ["x", "fc.weight"], ["y"]))
    before = tools.make_model(nodes, tensors, ["m", K], outputs=("y", "fc.weight"))
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["Gather", "CodebookMatMul"]
    assert {"fc.weight.indices", "fc.weight.indices_1"} <= set(after.graph.initializers)
    tools.assert_same_numbers(before, after)


def left_alone_models(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 4)
    square, square_tensors, _ = tools.make_lookup(rng, (K, K), 4)
    grouped, grouped_tensors, _ = tools.make_lookup(rng, (K, N), 4, groups=K)
    bias = {"b": rng.standard_normal((3, N)).astype(np.float32)}
    doubles = {"fc.weight.codebook": np.arange(4.0)}
    cube, cube_tensors, _ = tools.make_lookup(rng, (2, K, N), 4)
    matmul, gemm = make_node("MatMul", ["x", "fc.weight"], ["y"]), make_node
    double = {"x_type": TensorProto.DOUBLE}
    yield [*nodes, gemm("Gemm", ["x", "fc.weight"], ["y"], transA=1)], tensors, [K, 3], "transA is 1", {}
    yield [*square, make_node("MatMul", ["fc.weight", "x"], ["y"])], square_tensors, [K, 3], "left operand", {}
    yield (
        [*nodes, gemm("Gemm", ["x", "fc.weight", "b"], ["y"])],
        tensors | bias,
        [3, K],
        "its bias is float32 [3, 6]",
        {},
    )
    yield [*nodes, gemm("Gemm", ["x", "fc.weight", "x"], ["y"])], tensors, [1, K], "bias is not constant", {}
    yield [*grouped, matmul], grouped_tensors, [3, K], "neighbouring output channels", {}
    yield [*cube, matmul], cube_tensors, [2, 3, K], "3 axes", {}
    yield [*nodes, make_node("Cast", ["fc.weight"], ["y"], to=1)], tensors, [K], "Cast reads the codebook weight", {}
    computed = [make_node("Cast", ["x"], ["i"], to=TensorProto.INT64), make_node("Gather", ["c", "i"], ["w"])]
    yield [*computed, make_node("MatMul", ["x", "w"], ["y"])], {"c": np.ones(4, np.float32)}, [K, K], "not constant", {}
    cast = make_node("Cast", ["y64"], ["y"], to=1)
    yield [*nodes, make_node("MatMul", ["x", "fc.weight"], ["y64"]), cast], tensors | doubles, [3, K], "float64", double


@pytest.mark.parametrize("case", range(9))
def test_leaves_alone_and_says_why(tools, rng, case):
    nodes, tensors, x_shape, reason, options = list(left_alone_models(tools, rng))[case]
    before = tools.make_model(nodes, tensors, x_shape, **options)
    after = tools.apply(FuseCodebookMatMul(), before, modified=False)
    [(_, found)] = list_left_alone(after)
    assert reason in found


def test_leaves_a_replaceable_codebook_alone(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 4)
    before = tools.make_model([*nodes, make_node("MatMul", ["x", "fc.weight"], ["y"])], tensors, ["m", K])
    before.graph.inputs.append(before.graph.initializers["fc.weight.codebook"])
    after = tools.apply(FuseCodebookMatMul(), before, modified=False)
    assert list_left_alone(after) == [("y", "its codebook is a graph input, so a caller may replace it")]


def test_an_embedding_is_no_codebook_weight(tools, rng):
    tensors = {"table": rng.standard_normal((9, K)).astype(np.float32), "rows": np.arange(K)}
    nodes = [make_node("Gather", ["table", "rows"], ["w"]), make_node("MatMul", ["x", "w"], ["y"])]
    after = tools.apply(FuseCodebookMatMul(), tools.make_model(nodes, tensors, ["m", K]), modified=False)
    assert list_left_alone(after) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight.codebook": np.zeros(257, np.float32)}, "fc.weight.indices: the codebook has 257 entries"),
        ({"fc.weight.indices": np.full((K, N), 4)}, "fc.weight.indices: index 4 is outside a codebook of 4 entries"),
        ({"fc.weight.indices": np.full((K, N), -5)}, "index -5 is outside"),
        ({"fc.weight.indices": np.zeros((0, N), np.int64)}, "no elements"),
        (
            {"fc.weight.codebook": np.array([0, 1, np.nan, 2], np.float32)},
            "fc: codebook has a value that is not finite",
        ),
    ],
)
def test_refuses_a_damaged_weight(tools, rng, change, message):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 4)
    nodes.append(make_node("MatMul", ["x", "fc.weight"], ["y"]))
    with pytest.raises(ModelError, match=message):
        FuseCodebookMatMul()(tools.make_model(nodes, tensors | change, ["m", K]))


def test_refuses_a_reshape_that_does_not_fit(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K), 4, groups=2)
    tensors["fc.weight.shape"] = np.array([N, K + 1])
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    with pytest.raises(ModelError, match=r"Reshape does not fit a weight \[2, 15\]"):
        FuseCodebookMatMul()(tools.make_model(nodes, tensors, ["m", K]))


def test_ensures_that_nothing_is_left(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (K, N), 4)
    nodes.append(make_node("MatMul", ["x", "fc.weight"], ["y"], name="node_linear"))
    with pytest.raises(ir.passes.PostconditionError, match="node_linear: MatMul was not fused"):
        FuseCodebookMatMul().ensures(tools.make_model(nodes, tensors, ["m", K]))


@pytest.mark.parametrize("shape", [np.array([[N, K]]), np.array([], np.int64), np.array([-1, -1]), np.array(N * K)])
def test_refuses_a_reshape_to_no_shape(tools, rng, shape):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K), 4, groups=2)
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    with pytest.raises(ModelError, match="Reshape does not fit"):
        FuseCodebookMatMul()(tools.make_model(nodes, tensors | {"fc.weight.shape": shape}, ["m", K]))


@pytest.mark.parametrize(("target", "options"), [([0, -1], {}), ([N, K], {"allowzero": 1}), ([-1, K], {})])
def test_reads_each_form_of_reshape(tools, rng, target, options):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K), 4, groups=N)
    nodes[1] = make_node("Reshape", ["fc.weight.flat", "fc.weight.shape"], ["fc.weight"], **options)
    tensors["fc.weight.shape"] = np.array(target)
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    before = tools.make_model(nodes, tensors, ["m", K])
    tools.assert_same_numbers(before, tools.apply(FuseCodebookMatMul(), before))


def test_a_long_chain_is_no_deep_recursion(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K), 4)
    names = ["fc.weight", *[f"t{step}" for step in range(2001)]]
    nodes += [make_node("Transpose", [name], [after]) for name, after in itertools.pairwise(names)]
    nodes.append(make_node("MatMul", ["x", names[-1]], ["y"]))
    after = tools.apply(FuseCodebookMatMul(), tools.make_model(nodes, tensors, ["m", K]))
    assert tools.op_types(after) == ["CodebookMatMul"]
