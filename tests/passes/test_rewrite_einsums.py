import numpy as np
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.passes.rewrite_einsums import RewriteEinsums, list_left_einsums

SIZES = {"b": 2, "i": 3, "j": 4, "k": 5, "h": 6, "d": 7}


def model(tools, rng, equation, *, left=False):
    first, second = equation.split("->")[0].split(",")
    x, weight = (second, first) if left else (first, second)
    tensors = {"fc.weight": rng.standard_normal([SIZES[c] for c in weight]).astype(np.float32)}
    operands = ["fc.weight", "x"] if left else ["x", "fc.weight"]
    node = make_node("Einsum", operands, ["y"], equation=equation, name="product")
    return tools.make_model([node], tensors, [SIZES[c] for c in x])


@pytest.mark.parametrize(
    ("equation", "left", "kinds"),
    [
        ("bik,kd->bid", False, ["MatMul"]),
        ("bik,dk->bid", False, ["MatMul"]),
        ("k,kd->d", False, ["MatMul"]),
        ("bki,kd->bid", False, ["Transpose", "MatMul"]),
        ("dk,bik->bid", True, ["MatMul"]),
        ("dk,bki->bdi", True, ["Transpose", "MatMul", "Transpose"]),
        ("bik,khd->bihd", False, ["MatMul", "Reshape"]),
        ("bihd,hdk->bik", False, ["Reshape", "MatMul"]),
        ("bhid,hdk->bik", False, ["Transpose", "Reshape", "MatMul"]),
        ("bik,khd->bhid", False, ["MatMul", "Reshape", "Transpose"]),
        ("bik,k->bi", False, ["MatMul", "Reshape"]),
        (" bik , kd -> bid ", False, ["MatMul"]),
    ],
)
def test_rewrites_a_product_with_one_matrix(tools, rng, equation, left, kinds):
    before = model(tools, rng, equation.replace(" ", ""), left=left)
    if " " in equation:
        before.graph[0].attributes["equation"] = ir.AttrString("equation", equation)
    after = tools.apply(RewriteEinsums(), before)
    assert tools.op_types(after) == kinds
    assert "fc.weight" in tools.initializers(after)
    feeds = tools.feeds(before)
    wanted, found = tools.run_onnxruntime(before, feeds)[0], tools.run_onnxruntime(after, feeds)[0]
    assert found.shape == wanted.shape
    # Sums of at most 42 products of numbers below 4: 44 roundings of 42 * 16 in all on both sides.
    assert np.abs(found - wanted).max() <= 2 * 44 * 42 * 16 * 2.0**-24


@pytest.mark.parametrize(
    ("equation", "reason"),
    [
        ("bhk,hkd->bhd", "is not the product with one constant matrix"),
        ("bik,hd->bikhd", "is not the product with one constant matrix"),
        ("bik,kd->bd", "is not the product with one constant matrix"),
        ("bik,kd->bi", "is not the product with one constant matrix"),
        ("bii,id->bd", "has a letter twice"),
    ],
)
def test_leaves_alone_and_says_why(tools, rng, equation, reason):
    after = tools.apply(RewriteEinsums(), model(tools, rng, equation), modified=False)
    [(name, found)] = list_left_einsums(after)
    assert name == "product"
    assert equation in found
    assert reason in found


def test_leaves_an_ellipsis_alone(tools, rng):
    before = model(tools, rng, "bik,kd->bid")
    before.graph[0].attributes["equation"] = ir.AttrString("equation", "...k,kd->...d")
    after = tools.apply(RewriteEinsums(), before, modified=False)
    assert "has an ellipsis" in list_left_einsums(after)[0][1]


def test_a_product_of_activations_is_no_news(tools):
    before = tools.make_model([make_node("Einsum", ["x", "x"], ["y"], equation="ij,ij->i")], {}, [3, 4])
    assert list_left_einsums(tools.apply(RewriteEinsums(), before, modified=False)) == []
