import numpy as np
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.passes.fuse_decode_weight import FuseDecodeWeight
from qcompile.passes.pack_indices import PackIndices

ROWS, K = 8, 6


def stack(tools, rng, sizes, *, kind="MatMul", x_shape=(2, 3, 4)):
    """A product with each of two matrices, whose lookup [8, 6] a Reshape stacks."""
    nodes, tensors, weight = tools.make_lookup(rng, (ROWS, K), 4)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, weight, scale="each")
    tensors["sizes"] = np.array(sizes, np.int64)
    nodes += [
        make_node("Reshape", ["fc.weight", "sizes"], ["stacked"], name="fc.reshape"),
        make_node(kind, ["x", "stacked"], ["y"], name="layer"),
    ]
    return tools.make_model(nodes, tensors, list(x_shape))


def test_fuses_what_is_stacked_and_packs_it(tools, rng):
    before = stack(tools, rng, [2, 4, K])
    after = tools.apply(FuseDecodeWeight(), before)
    assert tools.op_types(after) == ["DecodeWeight", "MatMul"]
    assert after.graph[0].name == "fc"
    tools.assert_same_numbers(before, after)
    packed = tools.apply(PackIndices(), after)
    assert tools.initializers(packed)["fc.weight.indices"].shape == (ROWS * K * 2 // 8,)
    tools.assert_same_numbers(before, packed)


def test_leaves_a_reshape_alone_that_no_layer_reads(tools, rng):
    tools.apply(FuseDecodeWeight(), stack(tools, rng, [ROWS, K], kind="Add", x_shape=[ROWS, K]), modified=False)


def test_leaves_a_shape_alone_that_is_to_be_found(tools, rng):
    tools.apply(FuseDecodeWeight(), stack(tools, rng, [2, -1, K]), modified=False)


def test_ensures_that_nothing_is_left(tools, rng):
    with pytest.raises(ir.passes.PostconditionError, match=r"fc\.reshape: Reshape was not fused"):
        FuseDecodeWeight().ensures(stack(tools, rng, [2, 4, K]))
