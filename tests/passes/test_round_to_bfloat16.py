import numpy as np
import pytest
from onnx.helper import make_node

from qcompile.bfloat16_ops import round_codebook
from qcompile.errors import ModelError
from qcompile.passes._operands import CODEBOOK, operand
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.round_to_bfloat16 import RoundToBfloat16


def fused_matmul(tools, rng, factor=1.0, corrections=0):
    nodes, tensors, weight = tools.make_lookup(rng, (5, 6), 7)
    tensors["fc.weight.codebook"] = (tensors["fc.weight.codebook"] * factor).astype(np.float32)
    if corrections:
        nodes, tensors, weight = tools.change_lookup(rng, nodes, tensors, weight, corrections=corrections)
    model = tools.make_model([*nodes, make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1)], tensors, ["b", 6])
    FuseCodebookMatMul()(model)
    return model


def test_a_product_becomes_one_of_rounded_numbers(tools, rng):
    before = fused_matmul(tools, rng)
    after = tools.apply(RoundToBfloat16(), before)
    [node] = after.graph
    assert (node.name, node.op_type) == ("fc", "CodebookMatMulBfloat16")
    np.testing.assert_array_equal(operand(node, CODEBOOK), round_codebook(operand(before.graph[0], CODEBOOK)))
    assert "fc.weight.codebook" in tools.initializers(after)


def test_a_convolution_does_too(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (4, 3, 3, 3), 5, layer="conv")
    conv = make_node("Conv", ["x", "conv.weight"], ["y"], pads=[1] * 4)
    before = tools.make_model([*nodes, conv], tensors, ["b", 3, 5, 5])
    FuseCodebookConv()(before)
    [node] = tools.apply(RoundToBfloat16(), before).graph
    assert node.op_type == "CodebookConvBfloat16"
    assert list(node.attributes) == list(before.graph[0].attributes)


def test_corrections_stay(tools, rng):
    before = fused_matmul(tools, rng, corrections=3)
    after = tools.apply(RoundToBfloat16(), before)
    assert [node.op_type for node in after.graph] == ["CodebookMatMulBfloat16", "SparseMatMul"]


def test_an_entry_beyond_bfloat16_is_an_error(tools, rng):
    model = fused_matmul(tools, rng, factor=0.0)
    codebook = operand(model.graph[0], CODEBOOK).copy()
    codebook[0, -1] = np.float32(3.4e38)
    model.graph[0].inputs[CODEBOOK].const_value = type(model.graph[0].inputs[CODEBOOK].const_value)(codebook)
    with pytest.raises(ModelError, match=r"fc: its codebook has 3.4e\+38, too large for bfloat16"):
        RoundToBfloat16()(model)


def test_a_model_without_our_operators_stays(tools, rng):
    tensors = {"w": rng.standard_normal((6, 5)).astype(np.float32)}
    model = tools.make_model([make_node("MatMul", ["x", "w"], ["y"])], tensors, ["b", 6])
    tools.apply(RoundToBfloat16(), model, modified=False)
