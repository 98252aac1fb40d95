"""Images are often normalized before the first layer: that becomes part of how they are quantized."""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import constant, is_standard

Doubles = npt.NDArray[np.float64]
LARGEST = 1e30  # of gain and offset: far from where float32 ends


def before_normalization(value: ir.Value) -> tuple[ir.Value, Doubles, Doubles]:
    """The tensor x, and float64 [channels] each, so that ``value`` [batch, channels, ...] is x * gain + offset.

    Follows Add, Sub, Mul and Div by constants of one number, or one for each channel, which nothing else reads, as far
    as float32 holds the result.
    """
    assert value.shape is not None
    channels, rank = value.shape.dims[1], len(value.shape.dims)
    assert isinstance(channels, int)
    gain, offset = np.ones(channels), np.zeros(channels)
    while (node := value.producer()) is not None and is_standard(node, "Add", "Sub", "Mul", "Div"):
        found = _split(node, channels, rank)
        if found is None or len(value.uses()) > 1:
            break
        source, number = found
        factor = {"Mul": number, "Div": 1 / number}.get(node.op_type, 1.0) if number.all() else 1.0
        shift = {"Add": number, "Sub": -number}.get(node.op_type, 0.0)
        both = (gain * factor, offset + gain * shift)
        if not max(np.abs(part).max() for part in both) <= LARGEST:
            break
        value, (gain, offset) = source, both
    return value, gain, offset


def _split(node: ir.Node, channels: int, rank: int) -> tuple[ir.Value, Doubles] | None:
    """What ``node`` changes, and by what number for each channel; None where it does something else."""
    values = [value for value in node.inputs if value is not None]
    found = [constant(value) for value in values]
    if found[0] is not None and node.op_type in ("Add", "Mul"):
        values, found = values[::-1], found[::-1]
    before, after = values[0].shape, node.outputs[0].shape
    if found[0] is not None or found[1] is None or before is None or after is None or before.dims != after.dims:
        return None
    each, additive = found[1].astype(np.float64), node.op_type in ("Add", "Sub")
    wide = each.reshape([1] * (rank - each.ndim) + list(each.shape)) if each.ndim <= rank else each
    if wide.shape not in ((1,) * rank, (1, channels, *[1] * (rank - 2))) or not (wide.all() or additive):
        return None
    return values[0], np.broadcast_to(wide.reshape(-1), (channels,))
