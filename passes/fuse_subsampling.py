"""Slice(x, every s-th pixel), Pad(channels with zeros)  ->  a 1x1 convolution with stride s and weights 0 and 1.

Shortcuts without parameters (option A of the ResNet paper) are this. As a convolution they join a quantized region: it
reads codes and gives codes, or adds the residual of another layer.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from qcompile.ops import CODEBOOK_CONV, DOMAIN, DOMAIN_VERSION
from qcompile.passes._fuse import PLAIN_BITS
from qcompile.passes._match import constant, is_standard
from qcompile.passes._operands import absent, drop_unused, free_name, initializer, register
from qcompile.passes._pads import zero_pads

RANK = 4  # [batch, channels, height, width]


@dataclass(frozen=True)
class Subsampling:
    """Every ``strides``-th pixel of ``x`` [batch, channels, height, width], with channels of zeros before and after."""

    x: ir.Value
    strides: tuple[int, int]
    channels: int
    before: int = 0
    after: int = 0


class FuseSubsampling(ir.passes.InPlacePass):
    """Puts a convolution in the place of a strided Slice whose channels are padded.

    Requires: shapes.
    Ensures: no such Pad is left.
    Leaves alone: anything but steps over height and width from the first pixel to the last; values that others read.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses each Pad of channels behind a strided Slice."""
        found = [(node, read_subsampling(node)) for node in model.graph if is_standard(node, "Pad")]
        for node, subsampling in found:
            if subsampling is not None:
                _fuse(model.graph, node, subsampling)
        return ir.passes.PassResult(model, modified=any(subsampling for _, subsampling in found))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a node could still be fused."""
        for node in model.graph:
            if is_standard(node, "Pad") and read_subsampling(node) is not None:
                raise ir.passes.PostconditionError(f"{node.name}: was not fused")


def read_subsampling(node: ir.Node) -> Subsampling | None:
    """What the Pad ``node`` and the Slices before it do; None where it is something else."""
    pads, x = zero_pads(node), node.inputs[0]
    if x is None or pads is None or pads.shape[1] != RANK:
        return None
    before, after = pads[:, 1].tolist()
    steps = {2: 1, 3: 1}
    while (slicing := x.producer()) is not None and is_standard(slicing, "Slice") and len(x.uses()) == 1:
        if not _add_steps(slicing, steps) or slicing.inputs[0] is None:
            return None
        x = slicing.inputs[0]
    channels = x.shape.dims[1] if x.shape is not None and len(x.shape.dims) == RANK else None
    if pads[:, [0, 2, 3]].any() or min(before, after) < 0 or not isinstance(channels, int) or steps == {2: 1, 3: 1}:
        return None
    return Subsampling(x, (steps[2], steps[3]), channels, before, after)


def _add_steps(node: ir.Node, steps: dict[int, int]) -> bool:
    """Multiplies ``steps`` by those of a Slice over whole axes; False where it takes less than that."""
    starts, ends, axes, strides = [constant(value) for value in (*node.inputs[1:], None, None, None)[:4]]
    if starts is None or ends is None or axes is None or strides is None:
        return False
    for start, end, axis, stride in zip(
        starts.tolist(), ends.tolist(), (axes % RANK).tolist(), strides.tolist(), strict=True
    ):
        if start != 0 or end < 2**31 - 1 or stride < 1 or (axis not in steps and stride != 1):
            return False
        if axis in steps:
            steps[axis] *= stride
    return True


def _fuse(graph: ir.Graph, node: ir.Node, found: Subsampling) -> None:
    """Puts the convolution in the place of ``node``."""
    outputs = found.before + found.channels + found.after
    indices = np.zeros((outputs, found.channels, 1, 1), np.uint8)
    indices[found.before + np.arange(found.channels), np.arange(found.channels)] = 1
    codebook = np.ones((1, 2**PLAIN_BITS), np.float32)
    codebook[0, 0] = 0
    operands = (initializer(indices.reshape(-1)), initializer(codebook))
    name = free_name(f"{node.outputs[0].name}.subsampling", {str(other.name) for other in graph})
    none = absent(graph)
    convolution = ir.node(
        CODEBOOK_CONV,
        [found.x, *operands, none, none],
        {
            "bits": PLAIN_BITS,
            "weight_shape": indices.shape,
            "strides": found.strides,
            "pads": (0,) * 4,
            "dilations": (1, 1),
            "group": 1,
        },
        domain=DOMAIN,
        name=name,
    )
    old = list(node.inputs)
    ir.convenience.replace_nodes_and_values(graph, node, [node], [convolution], node.outputs, convolution.outputs)
    for value in old:
        drop_unused(value)
    for value, suffix in zip(operands, ("indices", "codebook"), strict=True):
        register(graph, value, f"{name}.weight.{suffix}")
    graph.opset_imports[DOMAIN] = DOMAIN_VERSION
