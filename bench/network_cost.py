"""What one run of a float network takes: its multiply-adds."""

import pathlib

import onnx
import onnx.shape_inference

from qcompile.multiply_adds import multiply_adds


def network_multiply_adds(path: pathlib.Path) -> int:
    """The multiply-adds of the matrix products and convolutions of the ONNX file ``path``, for one image."""
    model = onnx.load(path)
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    known = [*graph.input, *graph.value_info, *graph.output]
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in known}
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            found = multiply_adds(node.op_type, [shapes[name] for name in node.input], shapes[node.output[0]], None)
            if not found:
                raise ValueError(f"{path}: the shapes of {node.name} are not known")
            total += found
    return total
