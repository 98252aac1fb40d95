"""The weights of a packed file that are still stored as floats."""

import onnx

from qcompile.packed_model import other_parameters
from qcompile.report.result import KeptFloat


def kept_float(model: onnx.ModelProto) -> tuple[KeptFloat, ...]:
    """The stored floats that no packed layer reads, each with the first operator that reads it, in graph order.

    Those of one axis, biases and scales, are no weights; nor are those whose other axes have one element.
    """
    matrices = {name: array for name, array in other_parameters(model) if sum(size > 1 for size in array.shape) > 1}
    found = []
    for node in model.graph.node:
        for name in node.input:
            if (array := matrices.pop(name, None)) is not None:
                found.append(KeptFloat(node.name or node.op_type, node.op_type, array.shape, array.nbytes))
    return tuple(found)
