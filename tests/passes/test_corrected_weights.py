"""Scaled and corrected lookups through every pass: fused, folded, packed, and what stays as it is."""

import re

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.compiler import compile_model
from qcompile.errors import ModelError
from qcompile.passes.fold_batchnorm import FoldBatchNorm
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.left_alone import list_left_alone
from qcompile.passes.pack_indices import PackIndices
from qcompile.passes.verify import Verify
from qcompile.sparse_ops import decode_corrections

CHANGES = [("one", 0), ("each", 0), (None, 5), ("one", 3), ("each", 1), ("each", 60)]


def matmul(tools, rng, scale, corrections, *, form="Gemm", groups=1, alpha=1.0, bias=True, followers=(), more=None):
    """x [b, 10] or [b, 3, 10] times a changed weight [6, 10]; with `followers` the product is h."""
    nodes, tensors, weight = tools.make_lookup(rng, (6, 10), 4, groups)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, weight, "fc", scale, corrections)
    product = "h" if followers else "y"
    if form == "Gemm":
        tensors["fc.bias"] = rng.standard_normal(6).astype(np.float32)
        inputs = ["x", "fc.weight", *["fc.bias"] * bias]
        nodes.append(make_node("Gemm", inputs, [product], transB=1, alpha=alpha))
        tensors = tensors if bias else {name: array for name, array in tensors.items() if name != "fc.bias"}
    else:
        nodes.append(make_node("Transpose", ["fc.weight"], ["columns"]))
        nodes.append(make_node("MatMul", ["x", "columns"], [product]))
    x_shape = ["b", 10] if form == "Gemm" else ["b", 3, 10]
    return tools.infer(tools.make_model([*nodes, *followers], tensors | (more or {}), x_shape))


CONVS = {
    "plain": ((4, 2, 3, 3), ["b", 2, 6, 5], {}),
    "strided": ((4, 2, 3, 2), ["b", 2, 7, 6], {"strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]}),
    "grouped": ((6, 2, 3, 3), ["b", 4, 6, 6], {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ((6, 1, 3, 3), ["b", 6, 6, 6], {"group": 6}),
    "one axis": ((4, 2, 5), ["b", 2, 12], {"strides": [3], "pads": [2, 2]}),
}


def conv(tools, rng, scale, corrections, kind="plain", followers=(), more=None):
    shape, x_shape, attributes = CONVS[kind]
    nodes, tensors, weight = tools.make_lookup(rng, shape, 4)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, weight, "fc", scale, corrections)
    nodes.append(make_node("Conv", ["x", "fc.weight"], ["h" if followers else "y"], **attributes))
    return tools.infer(tools.make_model([*nodes, *followers], tensors | (more or {}), x_shape))


def sparse_weight(tools, model):
    """The corrections of the sparse node of `model`."""
    found = tools.initializers(model)
    node = next(node for node in model.graph if node.op_type.startswith("Sparse"))
    gaps, values = (found[value.name] for value in node.inputs[2:])
    return decode_corrections(gaps, values, node.attributes["weight_shape"].as_ints())


@pytest.mark.parametrize(("scale", "corrections"), CHANGES)
@pytest.mark.parametrize("form", ["Gemm", "MatMul"])
@pytest.mark.parametrize("alpha", [1.0, 0.7])
def test_fuses_a_changed_lookup_into_matmul(tools, rng, scale, corrections, form, alpha):
    before = matmul(tools, rng, scale, corrections, form=form, alpha=alpha)
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["CodebookMatMul"] + ["SparseMatMul"] * bool(corrections)
    tools.assert_same_numbers(before, after)
    has_scale = scale == "each" or (alpha != 1.0 and form == "Gemm")
    assert ("fc.weight.scale" in after.graph.initializers) == has_scale  # one factor needs no bytes
    if corrections:
        gain = np.float64(np.float32(alpha)) if form == "Gemm" else 1.0
        given = tools.initializers(before)
        wanted = np.zeros((6, 10))
        wanted[tuple(given["fc.weight.positions"].T)] = given["fc.weight.values"] * gain
        np.testing.assert_array_equal(sparse_weight(tools, after), wanted.astype(np.float32))


@pytest.mark.parametrize(("scale", "corrections"), CHANGES)
@pytest.mark.parametrize("kind", CONVS)
def test_fuses_a_changed_lookup_into_conv(tools, rng, scale, corrections, kind):
    corrections = min(corrections, 7)
    before = conv(tools, rng, scale, corrections, kind)
    after = tools.apply(FuseCodebookConv(), before)
    assert tools.op_types(after) == ["CodebookConv"] + ["SparseConv"] * bool(corrections)
    tools.assert_same_numbers(before, after)


def test_names_follow_the_layer(tools, rng):
    after = tools.apply(FuseCodebookMatMul(), matmul(tools, rng, "each", 2))
    assert [node.name for node in after.graph] == ["fc", "fc.corrections"]
    assert [value.name for value in after.graph[1].inputs] == [
        "x",
        "fc.base",
        "fc.weight.gaps",
        "fc.weight.corrections",
    ]
    assert set(after.graph.initializers) == {
        *("fc.weight.indices", "fc.weight.codebook", "fc.weight.scale", "fc.bias"),
        *("fc.weight.gaps", "fc.weight.corrections"),
    }


def test_one_factor_scales_the_codebook_as_torch_scales_the_weight(tools, rng):
    before = matmul(tools, rng, "one", 0)
    after = tools.apply(FuseCodebookMatMul(), before)
    given, found = tools.initializers(before), tools.initializers(after)
    np.testing.assert_array_equal(
        np.unique(found["fc.weight.codebook"]), np.unique(given["fc.weight.codebook"] * given["fc.weight.scale"])
    )
    assert not set(given) & set(found) - {"fc.bias", "fc.weight.codebook", "fc.weight.indices"}


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_codebooks_of_groups_are_scaled_and_corrected(tools, rng, groups):
    before = matmul(tools, rng, "each", 4, groups=groups)
    tools.assert_same_numbers(before, tools.apply(FuseCodebookMatMul(), before))


def normalization(rng, n):
    tensors = {name: rng.standard_normal(n).astype(np.float32) for name in ("gamma", "beta", "mean")}
    tensors["variance"] = rng.uniform(0.1, 3, n).astype(np.float32)
    return make_node("BatchNormalization", ["h", "gamma", "beta", "mean", "variance"], ["y"]), tensors


@pytest.mark.parametrize(("scale", "corrections"), CHANGES)
@pytest.mark.parametrize("fold_first", [False, True])
def test_batch_normalization_multiplies_scale_and_corrections(tools, rng, scale, corrections, fold_first):
    node, more = normalization(rng, 4)
    before = conv(tools, rng, scale, corrections, "plain", [node], more)
    after = before.clone()
    order = (
        [FoldBatchNorm(), FuseCodebookConv(), FoldBatchNorm()] if fold_first else [FuseCodebookConv(), FoldBatchNorm()]
    )
    for rewrite in order:
        rewrite(after)
    Verify()(after)
    assert tools.op_types(after) == ["CodebookConv"] + ["SparseConv"] * bool(corrections)
    assert after.graph[-1].outputs[0].name == "y"
    tools.assert_same_numbers(before, after)


@pytest.mark.parametrize("form", ["Gemm", "MatMul"])
@pytest.mark.parametrize("op_type", ["Mul", "Add"])
def test_constants_for_each_channel_fold_through_corrections(tools, rng, form, op_type):
    more = {"c": rng.standard_normal(6).astype(np.float32)}
    before = matmul(tools, rng, "each", 3, form=form, followers=[make_node(op_type, ["h", "c"], ["y"])], more=more)
    fused = before.clone()
    FuseCodebookMatMul()(fused)
    after = tools.apply(FoldBatchNorm(), fused)
    assert tools.op_types(after) == ["CodebookMatMul", "SparseMatMul"]
    tools.assert_same_numbers(before, after)


def test_corrections_that_overflow_are_not_folded(tools, rng):
    more = {"c": np.full(6, 3e38, np.float32)}
    model = matmul(tools, rng, None, 60, bias=False, followers=[make_node("Mul", ["h", "c"], ["y"])], more=more)
    FuseCodebookMatMul()(model)
    values = np.full(60, 4, np.float32)
    tensor = next(value for value in model.graph.initializers.values() if value.name == "fc.weight.corrections")
    tensor.const_value = ir.tensor(values)
    tools.apply(FoldBatchNorm(), model, modified=False)


@pytest.mark.parametrize("corrections", [0, 3])
def test_packs_indices_beside_corrections(tools, rng, corrections):
    before = matmul(tools, rng, "each", corrections)
    after = before.clone()
    FuseCodebookMatMul()(after)
    after = tools.apply(PackIndices(), after)
    assert after.graph[0].attributes["bits"].as_int() == 2
    tools.assert_same_numbers(before, after)


def test_the_changes_may_come_in_any_order(tools, rng):
    """Corrections, then a scale (which scales them), a move, then more corrections: all of it is one weight."""
    nodes, tensors, weight = tools.make_lookup(rng, (10, 6), 4)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, weight, "fc", None, 3)
    nodes[-1].output[0] = "a"
    tensors |= {"s": rng.standard_normal((1, 6)).astype(np.float32), "p": np.array([[0, 1], [-1, -2], [0, 1]])}
    tensors |= {"v": np.array([1, 2, 4], np.float32)}
    nodes += [
        make_node("Mul", ["s", "a"], ["b"]),
        make_node("Transpose", ["b"], ["c"]),
        make_node("ScatterND", ["c", "p", "v"], ["fc.weight"], reduction="add"),
        make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1),
    ]
    before = tools.make_model(nodes, tensors, ["b", 10])
    after = tools.apply(FuseCodebookMatMul(), before)
    assert tools.op_types(after) == ["CodebookMatMul", "SparseMatMul"]
    assert sparse_weight(tools, after)[0, 1] != 0
    tools.assert_same_numbers(before, after)


def test_corrections_of_zero_leave_no_operator(tools, rng):
    model = matmul(tools, rng, None, 4)
    model.graph.initializers["fc.weight.values"].const_value = ir.tensor(np.zeros(4, np.float32))
    assert tools.op_types(tools.apply(FuseCodebookMatMul(), model)) == ["CodebookMatMul"]


def test_wide_gaps_are_packed(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (3, 70_000), 2)
    nodes[-1].output[0] = "plain"
    tensors |= {"p": np.array([[0, 5], [2, 69_999]]), "v": np.array([1, -2], np.float32)}
    nodes.append(make_node("ScatterND", ["plain", "p", "v"], ["fc.weight"], reduction="add"))
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    after = tools.apply(FuseCodebookMatMul(), tools.make_model(nodes, tensors, [2, 70_000]))
    found = sparse_weight(tools, after)
    assert (found[0, 5], found[2, 69_999], np.count_nonzero(found)) == (1, -2, 2)


def left(tools, rng, edit, scale="each", corrections=2):
    """The reason why a changed lookup stays a lookup after `edit(nodes, tensors)`."""
    nodes, tensors, weight = tools.make_lookup(rng, (6, 10), 4)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, weight, "fc", scale, corrections)
    edit(nodes, tensors)
    nodes.append(make_node("Gemm", ["x", "fc.weight"], ["y"], transB=1))
    after = tools.apply(FuseCodebookMatMul(), tools.make_model(nodes, tensors, ["b", 10]), modified=False)
    [(_, reason)] = list_left_alone(after)
    return reason


def set_tensor(name, array):
    return lambda nodes, tensors: tensors.update({f"fc.weight.{name}": array})


def set_reduction(nodes, _):
    nodes[-1].attribute[0].s = b"mul"


def whole_rows(_, tensors):
    tensors |= {"fc.weight.positions": np.array([[1], [3]]), "fc.weight.values": np.ones((2, 10), np.float32)}


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (
            set_tensor("scale", np.arange(60, dtype=np.float32).reshape(6, 10)),
            "one factor for each of 6 output channels",
        ),
        (set_tensor("scale", np.arange(10, dtype=np.float32)), "one factor for each of 6 output channels"),
        (set_reduction, "ScatterND with reduction mul, not add"),
        (whole_rows, r"corrections \[2, 1\] are not single weights of \[6, 10\]"),
    ],
)
def test_what_cannot_be_expressed_stays_and_says_why(tools, rng, edit, reason):
    assert re.search(reason, left(tools, rng, edit))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_tensor("positions", np.array([[0, 1], [6, 0]])), "ScatterND does not fit a weight"),
        (set_tensor("values", np.array([1, np.nan], np.float32)), "fc: values has a value that is not finite"),
        (set_tensor("scale", np.full((6, 1), np.inf, np.float32)), "fc: .* not finite"),
    ],
)
def test_what_is_wrong_is_an_error(tools, rng, edit, message):
    with pytest.raises(ModelError, match=message):
        left(tools, rng, edit)


BROKEN = {
    "position": ({"fc.weight.gaps": np.array([1, 65535], np.uint16)}, "fc.corrections: the last correction is at"),
    "count": ({"fc.weight.corrections": np.ones(3, np.float32)}, r"values are float32 \[3\]"),
    "type": ({"fc.weight.gaps": np.ones(2, np.int32)}, "gaps are int32"),
    "value": ({"fc.weight.corrections": np.array([1, np.inf], np.float32)}, "not finite"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_verify_refuses_broken_corrections(tools, rng, change, message):
    model = matmul(tools, rng, None, 2)
    FuseCodebookMatMul()(model)
    for name, array in change.items():
        model.graph.initializers[name].const_value = ir.tensor(array)
        model.graph.initializers[name].shape, model.graph.initializers[name].dtype = None, None
    with pytest.raises(ModelError, match=message):
        Verify()(model)


def test_verify_refuses_a_sparse_node_of_other_inputs_or_attributes(tools, rng):
    proto = ir.to_proto(tools.apply(FuseCodebookConv(), conv(tools, rng, None, 2)))
    for change, message in (
        (lambda node: node.input.pop(), "3 inputs, wanted x, base, gaps, values"),
        (lambda node: node.attribute.pop(), "is missing or no integer|wanted"),
        (lambda node: node.attribute.append(onnx.helper.make_attribute("format_version", 2)), "format_version is 2"),
    ):
        broken = onnx.ModelProto()
        broken.CopyFrom(proto)
        change(broken.graph.node[1])
        with pytest.raises(ModelError, match=message):
            Verify()(ir.from_proto(broken))


def test_layers_of_one_codebook_share_it_in_the_compiled_model(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (6, 10), 4, layer="a")
    more, others, _ = tools.make_lookup(rng, (6, 6), 4, layer="b")
    others["b.weight.codebook"] = tensors["a.weight.codebook"]
    nodes += [*more, make_node("Gemm", ["x", "a.weight"], ["h"], transB=1)]
    nodes.append(make_node("Gemm", ["h", "b.weight"], ["y"], transB=1))
    before = tools.make_model(nodes, tensors | others, ["b", 10])
    after = compile_model(before, functions=False)
    assert set(after.graph.initializers) == {"a.weight.indices", "b.weight.indices", "a.weight.codebook", "absent"}
    tools.assert_same_numbers(before, after)
