import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node

from qcompile.ops import decode_weight
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.pack_indices import PackIndices, narrow

N, K = 6, 5


def fused(tools, rng, entries, groups=1, sort=True, dtype=np.float32):
    nodes, tensors, weight = tools.make_lookup(rng, (N, K), entries, groups, sort=sort)
    model = tools.make_model([*nodes, make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1)], tensors, ["m", K])
    FuseCodebookMatMul()(model)
    return model, weight


@pytest.mark.parametrize("groups", [1, 2, N])
@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize(
    ("entries", "bits"),
    [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (16, 4), (31, 5), (64, 6), (65, 7), (129, 8), (256, 8)],
)
def test_packs_at_the_width_that_the_entries_need(tools, rng, entries, bits, groups, sort):
    before, weight = fused(tools, rng, entries, groups, sort)
    after = tools.apply(PackIndices(), before, modified=not sort or bits < 8)
    assert after.graph[0].attributes["bits"].as_int() == bits
    packed = tools.initializers(after)
    indices, codebook = packed["fc.weight.indices"], packed["fc.weight.codebook"]
    assert indices.nbytes == -(-N * K * bits // 8)
    assert codebook.shape == (groups, 2**bits)
    assert (np.diff(codebook, axis=1) >= 0).all()
    np.testing.assert_array_equal(decode_weight(indices, codebook, bits, (N, K)), weight)
    tools.assert_same_numbers(before, after)


def test_entries_that_are_equal_take_one_index(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (N, K), 8)
    tensors["fc.weight.codebook"] = np.float32([-1, -1, 0, 0, -0.0, 1, 1, 2])
    before = tools.make_model([*nodes, make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1)], tensors, ["m", K])
    FuseCodebookMatMul()(before)
    after = tools.apply(PackIndices(), before)
    np.testing.assert_array_equal(tools.initializers(after)["fc.weight.codebook"], [[-1, 0, 1, 2]])
    tools.assert_same_numbers(before, after)


def test_packs_a_shared_weight_once(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (K, K), 4)
    nodes += [make_node("MatMul", ["x", "fc.weight"], ["h"]), make_node("MatMul", ["h", "fc.weight"], ["y"])]
    before = tools.make_model(nodes, tensors, ["m", K])
    FuseCodebookMatMul()(before)
    after = tools.apply(PackIndices(), before)
    assert [node.attributes["bits"].as_int() for node in after.graph] == [2, 2]
    tools.assert_same_numbers(before, after)


def test_packs_a_convolution(tools, rng):
    nodes, tensors, weight = tools.make_lookup(rng, (4, 2, 3, 3), 3, groups=4, layer="conv")
    before = tools.make_model([*nodes, make_node("Conv", ["x", "conv.weight"], ["y"])], tensors, [1, 2, 5, 5])
    FuseCodebookConv()(before)
    after = tools.apply(PackIndices(), before)
    packed = tools.initializers(after)
    decoded = decode_weight(packed["conv.weight.indices"], packed["conv.weight.codebook"], 2, weight.shape)
    np.testing.assert_array_equal(decoded, weight)
    tools.assert_same_numbers(before, after)


def test_leaves_a_model_without_our_operators_alone(tools):
    tools.apply(PackIndices(), tools.make_model([make_node("Relu", ["x"], ["y"])], {}, [3]), modified=False)


def test_requires_initializers(tools, rng):
    before, _ = fused(tools, rng, 4)
    before.graph[0].replace_input_with(3, before.graph.inputs[0])
    with pytest.raises(ir.passes.PreconditionError, match="fc: an operand is not an initializer"):
        PackIndices()(before)


def test_ensures_that_nothing_is_left(tools, rng):
    before, _ = fused(tools, rng, 4)
    with pytest.raises(ir.passes.PostconditionError, match="fc: the weight was not packed"):
        PackIndices().ensures(before)


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_narrowing_keeps_every_weight(data):
    groups, entries, count = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 20)), data.draw(st.integers(1, 30))
    values = st.floats(-4, 4, width=16)
    codebook = np.float32([[data.draw(values) for _ in range(entries)] for _ in range(groups)])
    rng = np.random.default_rng(count)
    indices = rng.integers(0, entries, (groups, count)).astype(np.uint8)
    new_indices, new_codebook = narrow(indices, codebook)
    taken = np.take_along_axis(new_codebook, new_indices.astype(np.intp), axis=1)
    np.testing.assert_array_equal(taken, np.take_along_axis(codebook, indices.astype(np.intp), axis=1))
    most = max(len(set(row.tolist())) for row in codebook)
    assert new_codebook.shape[1] == 2 ** max(1, int(np.ceil(np.log2(most))))
