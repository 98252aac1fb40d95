import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from qcompile.passes.fuse_codebook_gather import FuseCodebookGather
from qcompile.passes.left_alone import list_left_alone
from qcompile.passes.pack_indices import PackIndices

ROWS, WIDTH = 6, 5


def embedding(tools, nodes, tensors, *, table="fc.weight", kind=TensorProto.INT64, **attributes):
    nodes = [
        make_node("Cast", ["x"], ["ids"], to=kind),
        *nodes,
        make_node("Gather", [table, "ids"], ["y"], name="lookup", **attributes),
    ]
    return tools.make_model(nodes, tensors, ["m", 2])


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT64])
@pytest.mark.parametrize("scale", [None, "one", "each"])
@pytest.mark.parametrize("groups", [1, 3])
def test_fuses_a_table_and_packs_it(tools, rng, groups, scale, kind):
    nodes, tensors, weight = tools.make_lookup(rng, (ROWS, WIDTH), 4, groups)
    nodes, tensors, _ = tools.change_lookup(rng, nodes, tensors, weight, scale=scale)
    before = embedding(tools, nodes, tensors, kind=kind, axis=0)
    after = tools.apply(FuseCodebookGather(), before)
    assert tools.op_types(after) == ["Cast", "CodebookGather"]
    assert after.graph[1].name == "fc"
    tools.assert_same_numbers(before, after)
    packed = tools.apply(PackIndices(), after)
    assert packed.graph[1].attributes["bits"].as_int() == 2
    assert tools.initializers(packed)["fc.weight.indices"].shape == (-(-ROWS * WIDTH * 2 // 8),)
    tools.assert_same_numbers(before, packed)


def test_a_transposed_table_is_read(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (WIDTH, ROWS), 4)
    before = embedding(tools, [*nodes, make_node("Transpose", ["fc.weight"], ["t"])], tensors, table="t", axis=-2)
    tools.assert_same_numbers(before, tools.apply(FuseCodebookGather(), before))


def left_alone(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (ROWS, WIDTH), 4)
    cube, cube_tensors, _ = tools.make_lookup(rng, (ROWS, 2, WIDTH), 4)
    other, other_tensors, weight = tools.make_lookup(rng, (ROWS, WIDTH), 4)
    corrected, corrections, _ = tools.change_lookup(rng, other, other_tensors, weight, corrections=2)
    columns = {**tensors, "columns": rng.standard_normal(WIDTH).astype(np.float32)}
    by_column = [*nodes, make_node("Mul", ["fc.weight", "columns"], ["t"])]
    yield nodes, tensors, {"axis": 1}, "it looks up along axis 1 of a table of 2 axes"
    yield cube, cube_tensors, {}, "it looks up along axis 0 of a table of 3 axes"
    yield corrected, corrections, {}, "its table has corrections"
    yield by_column, columns, {"table": "t"}, "its scale is not one factor for each of 6 output channels"


@pytest.mark.parametrize("case", range(4))
def test_leaves_alone_and_says_why(tools, rng, case):
    nodes, tensors, options, reason = list(left_alone(tools, rng))[case]
    after = tools.apply(FuseCodebookGather(), embedding(tools, nodes, tensors, **options), modified=False)
    [(name, found)] = list_left_alone(after)
    assert name == "lookup"
    assert reason in found


def test_ensures_that_nothing_is_left(tools, rng):
    nodes, tensors, _ = tools.make_lookup(rng, (ROWS, WIDTH), 4)
    with pytest.raises(ir.passes.PostconditionError, match="lookup: Gather was not fused"):
        FuseCodebookGather().ensures(embedding(tools, nodes, tensors))
