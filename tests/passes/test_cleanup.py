import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from qcompile.passes.cleanup import CleanUp


def noted(model):
    """`model` with what exporters leave behind."""
    model.metadata_props["qcompile.plan"] = "{}"
    model.graph.doc_string = "exported"
    model.graph.inputs[0].doc_string = "the input"
    for node in model.graph:
        node.metadata_props["pkg.torch.onnx.stack_trace"] = "File somewhere, line 1"
        node.doc_string = "note"
        node.outputs[0].metadata_props["origin"] = "node"
    return model


def test_removes_what_computes_nothing(tools):
    nodes = [
        make_node("Identity", ["x"], ["a"]),
        make_node("Cast", ["a"], ["b"], to=TensorProto.FLOAT),
        make_node("Relu", ["b"], ["y"], name="node_relu"),
        make_node("Exp", ["x"], ["dead"]),
        make_node("Add", ["dead", "unused"], ["dead_too"]),
    ]
    tensors = {"unused": np.ones(3, np.float32), "unread": np.ones(3, np.float32)}
    before = tools.infer(tools.make_model(nodes, tensors, [3]))
    after = before.clone()
    assert CleanUp()(after).modified is True
    assert tools.op_types(after) == ["Relu"]
    assert after.graph[0].name == "node_relu"
    assert not after.graph.initializers
    inputs = tools.feeds(before)
    for wanted, found in zip(*(tools.run_onnxruntime(model, inputs) for model in (before, after)), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_keeps_casts_that_change_the_type_or_name_an_output(tools):
    nodes = [
        make_node("Cast", ["x"], ["i"], to=TensorProto.INT32),
        make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        make_node("Cast", ["f"], ["y"], to=TensorProto.FLOAT),
    ]
    before = tools.infer(tools.make_model(nodes, {}, [3]))
    assert tools.op_types(tools.apply(CleanUp(), before)) == ["Cast", "Cast", "Cast"]


def test_removes_notes_and_keeps_the_plan(tools):
    nodes = [make_node("Sigmoid", ["x"], ["a"]), make_node("Relu", ["a"], ["y"])]
    before = noted(tools.infer(tools.make_model(nodes, {}, ["batch", 3])))
    after = tools.apply(CleanUp(), before)
    proto = ir.to_proto(after)
    assert after.metadata_props == {"qcompile.plan": "{}"}
    assert not proto.graph.value_info
    assert not proto.graph.doc_string
    assert not any(node.doc_string or node.metadata_props for node in proto.graph.node)
    assert not proto.graph.input[0].doc_string
    assert proto.graph.input[0].type == ir.to_proto(before).graph.input[0].type
    tools.assert_same_numbers(before, after)


def test_cleans_subgraphs(tools):
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (float[3] x, bool[1] c) => (float[3] y) {
      y = If (c) <then_branch = t () => (float[3] p) { p = Relu (x) },
                  else_branch = e () => (float[3] q) { q = Exp (x) }>
    }"""
    before = ir.from_onnx_text(text)
    inner = before.graph[0].attributes["then_branch"].as_graph()
    inner[0].doc_string = "note"
    after = tools.apply(CleanUp(), before)
    assert not after.graph[0].attributes["then_branch"].as_graph()[0].doc_string


@pytest.mark.parametrize(
    ("opset", "found", "wanted"), [(18, 10, 8), (20, 10, 9), (20, 9, 9), (21, 11, 10), (13, 7, 8), (18, 8, 8)]
)
def test_lowers_the_ir_version_to_what_the_opset_needs(tools, opset, found, wanted):
    model = tools.make_model([make_node("Relu", ["x"], ["y"])], {}, [3], opset=opset)
    model.ir_version = found
    after = tools.apply(CleanUp(), model, modified=found != wanted)
    assert after.ir_version == wanted


def test_leaves_a_clean_model_alone(tools):
    tools.apply(CleanUp(), tools.make_model([make_node("Relu", ["x"], ["y"])], {}, [3]), modified=False)


def test_ensures_that_initializers_are_read(tools):
    model = tools.make_model([make_node("Relu", ["x"], ["y"])], {"unread": np.ones(1, np.float32)}, [3])
    with pytest.raises(ir.passes.PostconditionError, match="initializer unread is not read"):
        CleanUp().ensures(model)
