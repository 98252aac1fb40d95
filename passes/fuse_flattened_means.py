"""IntegerGlobalAveragePool, then Squeeze or Reshape to [batch, channels]  ->  the mean without its axes of size one."""

import onnx_ir as ir

from qcompile.integer_ops import INTEGER_GLOBAL_AVERAGE_POOL
from qcompile.ops import DOMAIN
from qcompile.passes._match import is_standard, sole_reader

FLATTENING = ("Flatten", "Reshape", "Squeeze")


class FuseFlattenedMeans(ir.passes.InPlacePass):
    """Leaves the axes of size one out where nothing but a classifier's layer behind reads the mean.

    Requires: integer operators with shapes. Ensures: the same codes.
    Leaves alone: means that others read; flattening to anything but [batch, channels].
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses each mean."""
        modified = False
        for node in list(model.graph):
            if node.domain == DOMAIN and node.op_type == INTEGER_GLOBAL_AVERAGE_POOL:
                modified |= _fuse(node)
        return ir.passes.PassResult(model, modified)


def _fuse(mean: ir.Node) -> bool:
    own = mean.outputs[0]
    flattening = sole_reader(own)
    if flattening is None or not is_standard(flattening, *FLATTENING) or flattening.inputs[0] is not own:
        return False
    flat = flattening.outputs[0]
    if own.shape is None or flat.shape is None or len(flat.shape.dims) != 2:
        return False
    channels = own.shape.dims[-1]
    if not isinstance(channels, int) or flat.shape.dims[1] != channels:
        return False
    mean.attributes["keepdims"] = ir.AttrInt64("keepdims", 0)
    own.name, own.shape = flat.name, flat.shape
    flat.replace_all_uses_with(own, replace_graph_outputs=True)
    assert flattening.graph is not None
    flattening.graph.remove(flattening, safe=True)
    return True
