"""Names of what is computed of parameters, and of the layers that read them."""

import numpy as np
import onnx_ir as ir

from qcompile.frontend.export_graph import add_initializer
from qcompile.frontend.folded_names import name_computed_weights, name_layers


def graph_of(nodes, parameters, inputs=("x",)):
    """A graph of (operator, inputs, output) over parameters of two axes."""
    graph = ir.Graph([ir.val(name, ir.DataType.FLOAT, (2, 2)) for name in inputs], [], nodes=[], opset_imports={"": 20})
    values = {value.name: value for value in graph.inputs}
    values |= {name: add_initializer(graph, name, np.ones((2, 2), np.float32)) for name in parameters}
    for position, (operator, names, output) in enumerate(nodes):
        node = ir.node(operator, [values[name] for name in names], name=f"node_{position}")
        node.outputs[0].name = output
        values[output] = node.outputs[0]
        graph.append(node)
    return graph


def outputs(graph):
    return [node.outputs[0].name for node in graph]


def test_what_is_made_of_a_parameter_is_called_after_it():
    graph = graph_of([("Transpose", ["fc.weight"], "val_0"), ("Neg", ["val_0"], "val_1")], ["fc.weight"])
    name_computed_weights(graph)
    assert outputs(graph) == ["fc.weight.folded", "fc.weight.folded2"]


def test_a_parameter_that_is_no_weight_by_name_becomes_one():
    graph = graph_of([("Transpose", ["attention.in_proj_weight"], "val_0")], ["attention.in_proj_weight"])
    name_computed_weights(graph)
    assert outputs(graph) == ["attention.in_proj.weight.folded"]


def test_sizes_of_activations_do_not_hide_a_parameter_and_activations_keep_their_names():
    nodes = [("Shape", ["x"], "val_0"), ("Slice", ["fc.weight", "val_0"], "val_1"), ("Add", ["val_1", "x"], "val_2")]
    graph = graph_of(nodes, ["fc.weight"])
    name_computed_weights(graph)
    assert outputs(graph) == ["val_0", "fc.weight.folded", "val_2"]


def test_layers_are_called_as_modules_each_name_once():
    nodes = [("MatMul", ["x", "a.weight"], "y"), ("MatMul", ["y", "a.weight"], "z"), ("Add", ["z", "b.weight"], "w")]
    graph = graph_of(nodes, ["a.weight", "b.weight"])
    name_layers(graph)
    assert [node.name for node in graph] == ["a", "node_1", "node_2"]
