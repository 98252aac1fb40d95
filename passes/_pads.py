"""What a Pad node adds."""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import constant, is_standard


def zero_pads(node: ir.Node | None) -> npt.NDArray[np.int64] | None:
    """How many zeros the Pad ``node`` adds: [2, rank], before and behind each axis.

    None where it is no Pad, its pads are not constant, or it adds something else.
    """
    if node is None or not is_standard(node, "Pad") or len(node.inputs) < 2:  # an attribute, before opset 11
        return None
    pads = constant(node.inputs[1])
    value, axes = ((*node.inputs[2:], None, None))[:2]
    filled = np.zeros(1) if value is None else constant(value)
    plain = node.attributes.get_string("mode", "constant") == "constant" and axes is None
    if pads is None or filled is None or filled.any() or not plain or pads.size % 2:
        return None
    return pads.reshape(2, -1).astype(np.int64)
