import onnx_ir as ir
import pytest
from onnx.helper import make_node

from qcompile.errors import ModelError
from qcompile.passes.attach_functions import AttachFunctions
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.pack_indices import PackIndices


def packed(tools, rng, kinds, opset=18):
    """A convolution of kernel 1, then a product along its last axis: whichever of both `kinds` names."""
    nodes, tensors, value = [], {}, "x"
    for kind in kinds:
        shape = (3, 3, 1, 1) if kind == "Conv" else (4, 4)
        lookup, new, _ = tools.make_lookup(rng, shape, 3, layer=kind.lower())
        nodes += [*lookup, make_node(kind, [value, f"{kind.lower()}.weight"], [f"{kind}.out"])]
        tensors, value = tensors | new, f"{kind}.out"
    model = tools.make_model([*nodes, make_node("Relu", [value], ["y"])], tensors, [1, 3, 4, 4], opset=opset)
    for rewrite in (FuseCodebookConv(), FuseCodebookMatMul(), PackIndices()):
        rewrite(model)
    return model


@pytest.mark.parametrize("kinds", [("Conv",), ("MatMul",), ("Conv", "MatMul")])
@pytest.mark.parametrize("opset", [18, 20, 21])
def test_adds_the_bodies_in_use_in_the_opset_of_the_model(tools, rng, kinds, opset):
    before = packed(tools, rng, kinds, opset)
    after = tools.apply(AttachFunctions(), before)
    assert {name for _, name, _ in after.functions} == {f"Codebook{kind}" for kind in kinds}
    assert all(function.opset_imports == {"": opset} for function in after.functions.values())
    tools.assert_same_numbers(before, after)


def test_leaves_a_model_without_our_operators_alone(tools):
    model = tools.make_model([make_node("Relu", ["x"], ["y"])], {}, [3], opset=11)
    tools.apply(AttachFunctions(), model, modified=False)


def test_raises_an_old_opset_or_names_what_stands_in_the_way(tools, rng):
    model = packed(tools, rng, ("MatMul",), opset=17)
    AttachFunctions()(model)
    assert model.opset_imports[""] == 18
    model = packed(tools, rng, ("MatMul",), opset=12)
    model.graph.append(ir.node("Softmax", [model.graph.inputs[0]]))
    with pytest.raises(ModelError, match=r"opset is 12, the function bodies need 18, and Softmax may.* Export"):
        AttachFunctions()(model)


def test_ensures_that_every_operator_has_a_body(tools, rng):
    with pytest.raises(ir.passes.PostconditionError, match="CodebookMatMul"):
        AttachFunctions().ensures(packed(tools, rng, ("MatMul",)))
