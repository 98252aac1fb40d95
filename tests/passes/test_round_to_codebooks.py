import numpy as np
import pytest
from onnx.helper import make_node

from qcompile.codebooks import CodebookWeights, GridWeights, cancel_errors, fit_lookup
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.round_to_codebooks import RoundToCodebooks

LAYERS = [
    ("Conv", (4, 3, 3, 3), {}),
    ("Conv", (4, 1, 3), {"group": 4}),
    ("MatMul", (6, 5), {}),
    ("Gemm", (6, 5), {}),
    ("Gemm", (6, 5), {"transB": 1, "alpha": 0.5}),
    ("MatMul", (6, 1), {}),
]
WAYS = [GridWeights(3), *(CodebookWeights(2, per) for per in ("tensor", "scaled", "channel"))]


def layer(tools, rng, op_type, shape, **attributes):
    tensors = {"fc.weight": rng.standard_normal(shape).astype(np.float32)}
    x_shape = {"Conv": ["b", shape[1] * attributes.get("group", 1), 5, 6][: len(shape)], "MatMul": ["b", 3, shape[0]]}
    k = shape[1] if attributes.get("transB") else shape[0]
    node = make_node(op_type, ["x", "fc.weight"], ["y"], **attributes)
    return tools.make_model([node], tensors, x_shape.get(op_type, ["b", k])), tensors["fc.weight"]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("op_type", "shape", "attributes"), LAYERS)
def test_the_model_computes_with_its_lookup_and_is_fused(tools, rng, op_type, shape, attributes, way):
    before, _ = layer(tools, rng, op_type, shape, **attributes)
    after = tools.apply(RoundToCodebooks(way), before)
    fused = tools.infer(after.clone())
    for rewrite in (FuseCodebookMatMul(), FuseCodebookConv()):
        rewrite(fused)
    tools.assert_same_numbers(after, fused)
    [node] = fused.graph
    assert (node.name, node.op_type) == ("fc", "CodebookConv" if op_type == "Conv" else "CodebookMatMul")


@pytest.mark.parametrize("per", ["tensor", "channel"])
@pytest.mark.parametrize(("op_type", "shape", "attributes"), LAYERS)
def test_the_weight_is_the_lookup_that_fits_its_rows(tools, rng, op_type, shape, attributes, per):
    before, weight = layer(tools, rng, op_type, shape, **attributes)
    after = tools.infer(tools.apply(RoundToCodebooks(CodebookWeights(2, per)), before))
    by_row = op_type == "Conv" or bool(attributes.get("transB"))
    rows = np.ascontiguousarray(weight.reshape(len(weight), -1) if by_row else weight.T)
    taps = int(np.prod(shape[2:])) if op_type == "Conv" else 1
    wanted = cancel_errors(rows, fit_lookup(rows, CodebookWeights(2, per)), taps)
    for rewrite in (FuseCodebookMatMul(), FuseCodebookConv()):
        rewrite(after)
    found = tools.initializers(after)
    np.testing.assert_array_equal(found["fc.weight.indices"].reshape(rows.shape), wanted.entries)
    np.testing.assert_array_equal(found["fc.weight.codebook"][:, :4], wanted.codebook)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_leaves_a_weight_alone_that_is_not_finite(tools, rng, value):
    weight = rng.standard_normal((6, 5)).astype(np.float32)
    weight[2, 3] = value
    model = tools.make_model([make_node("MatMul", ["x", "w"], ["y"])], {"w": weight}, ["b", 6])
    tools.apply(RoundToCodebooks(CodebookWeights(4)), model, modified=False)


def test_leaves_a_learned_weight_alone(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (6, 5), 4)
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    tools.apply(RoundToCodebooks(CodebookWeights(4)), tools.make_model(nodes, tensors, ["b", 5]), modified=False)
