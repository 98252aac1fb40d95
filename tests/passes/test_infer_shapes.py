import onnx_ir as ir
from onnx.helper import make_node

from qcompile.passes.infer_shapes import InferShapes


def test_infers_the_shapes_inside_the_graph(tools):
    before = tools.make_model([make_node("Sigmoid", ["x"], ["a"]), make_node("Relu", ["a"], ["y"])], {}, ["batch", 3])
    assert before.graph[0].outputs[0].shape is None
    after = tools.apply(InferShapes(), before)
    assert after.graph[0].outputs[0].shape == ["batch", 3]
    assert after.graph[0].outputs[0].dtype == ir.DataType.FLOAT
    tools.assert_same_numbers(before, after)


def test_describes_outputs_as_before(tools):
    model = tools.make_model([make_node("Relu", ["x"], ["y"])], {}, ["batch", 3])
    model.graph.outputs[0].shape = ir.Shape([None, None])
    tools.apply(InferShapes(), model, modified=False)
    assert model.graph.outputs[0].shape == [None, None]


def test_an_unknown_operator_stops_nothing(tools):
    model = ir.from_onnx_text(
        """<ir_version: 8, opset_import: ["" : 18, "own" : 1]>
        g (float[3] x) => (float[n] y) { a = Sigmoid (x)  b = own.Own (a)  y = Relu (b) }"""
    )
    assert InferShapes()(model).modified is True
    assert model.graph[0].outputs[0].shape == [3]
    assert model.graph[1].outputs[0].shape is None
