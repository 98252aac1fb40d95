"""A layer of a packed file as a model of its own."""

import numpy as np
import onnx
from onnx import helper

from qcompile.debugging.counterparts import Counterpart
from qcompile.debugging.layers import Layer, tensors_read


def cut_out(
    packed: onnx.ModelProto, layer: Layer, counterparts: dict[str, Counterpart], types: dict[str, int]
) -> onnx.ModelProto:
    """A model that computes ``layer.output`` of ``layer.reads``, with the function bodies of ``packed``.

    ``types`` are the element types of the tensors of the float model; what is not there is float32.
    """
    inputs = []
    for name in layer.reads:
        counterpart = counterparts[name]
        kind = types.get(counterpart.tensor, onnx.TensorProto.FLOAT)
        if counterpart.place is not None:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(np.uint8))
        inputs.append(helper.make_tensor_value_info(name, kind, None))
    needed = {name for node in layer.nodes for name in tensors_read(node)}
    stored = [tensor for tensor in packed.graph.initializer if tensor.name in needed]
    outputs = [onnx.ValueInfoProto(name=layer.output)]
    graph = helper.make_graph(layer.nodes, "layer", inputs, outputs, stored)
    opsets = list(packed.opset_import)
    return helper.make_model(graph, opset_imports=opsets, functions=packed.functions, ir_version=packed.ir_version)
