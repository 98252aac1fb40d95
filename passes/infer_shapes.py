"""values without shapes  ->  values with the shapes that ONNX infers.

Folding must know how many axes a product has, and auto_pad the size of its input. Hand-written models often carry
neither. CleanUp takes the shapes away again.
"""

import onnx_ir as ir
import onnx_ir.passes.common


class InferShapes(ir.passes.InPlacePass):
    """Infers the types and shapes of values inside the graph.

    Requires: a model that the ONNX checker accepts.
    Ensures: inputs of the graph, and outputs that have a shape, are described as before.
    Leaves alone: a model whose shapes ONNX cannot infer.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Infers without strictness: an operator that ONNX does not know stops nothing."""
        borders = [*model.graph.inputs, *(value for value in model.graph.outputs if value.shape is not None)]
        described = [(value.shape, value.type) for value in borders]
        before = _described(model)
        onnx_ir.passes.common.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=False)(model)
        for value, (shape, type_) in zip(borders, described, strict=True):
            value.shape, value.type = shape, type_
        return ir.passes.PassResult(model, modified=_described(model) != before)


def _described(model: ir.Model) -> list[tuple[str, str]]:
    return [(str(value.shape), str(value.type)) for node in model.graph for value in node.outputs]
