"""What a model that is quantized already says of its codes: types, constant codes, scales and zero points."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.ops import Floats
from qcompile.passes._match import LeftAloneError, constant, is_standard

# The codes that a type has, by its name; of activations and weights.
RANGES = {
    **{"uint8": (0, 255), "int8": (-128, 127), "uint4": (0, 15), "int4": (-8, 7)},
    **{"uint2": (0, 3), "int2": (-2, 1)},
}
STORED = {*RANGES, "int32"}  # biases have more
Whole = npt.NDArray[np.int64]


def code_type(node: ir.Node) -> str:
    """The name of the type of the codes that a QuantizeLinear gives or a DequantizeLinear takes; empty: not known."""
    zero_point = node.inputs[2] if len(node.inputs) > 2 else None
    codes = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
    given = node.attributes.get_int("output_dtype", 0) if node.op_type == "QuantizeLinear" else 0
    if zero_point is not None and (found := constant(zero_point)) is not None:
        return found.dtype.name
    if given:
        return ir.DataType(given).name.lower()
    if node.op_type == "QuantizeLinear":
        return "uint8" if zero_point is None else ""
    return "" if codes is None or codes.dtype is None else codes.dtype.name.lower()


def constant_codes(value: ir.Value | None) -> Whole | None:
    """The whole numbers that ``value`` always is: stored, or made of constants by QuantizeLinear or Clip."""
    found = constant(value)
    if found is not None:
        return found.astype(np.int64) if found.dtype.name in STORED else None
    node = None if value is None else value.producer()
    if node is not None and is_standard(node, "Clip"):
        codes, cut = constant_codes(node.inputs[0]), code_bounds(node)
        return None if codes is None or cut is None else np.clip(codes, *cut)
    if node is not None and is_standard(node, "QuantizeLinear"):
        return _quantized_constant(node)
    return None


def code_bounds(clip: ir.Node) -> tuple[int, int] | None:
    """The lowest and the highest code that a Clip of codes lets pass; None where they are not constant."""
    low, high = [*clip.inputs[1:], None, None][:2]
    bounds = [constant(value) for value in (low, high)]
    if any(value is not None and found is None for value, found in zip((low, high), bounds, strict=True)):
        return None
    if any(found is not None and (found.size != 1 or found.dtype.name not in STORED) for found in bounds):
        return None
    ends = [None if found is None else int(found.reshape(()).astype(np.int64)) for found in bounds]
    lowest = -(2**31) if ends[0] is None else ends[0]
    return min(lowest, 2**31 if ends[1] is None else ends[1]), 2**31 if ends[1] is None else ends[1]


def _quantized_constant(node: ir.Node) -> Whole | None:
    """The codes of a constant; None where they are not known, or of a type that is not in RANGES."""
    numbers, kind = constant(node.inputs[0]), code_type(node)
    if numbers is None or numbers.dtype != np.float32 or kind not in RANGES:
        return None
    try:
        scale, zero_point = spread_scale(node, numbers.shape)
    except LeftAloneError:
        return None
    if not (np.isfinite(numbers).all() and (scale > 0).all()):
        return None
    return np.clip(np.rint(numbers / scale).astype(np.float64) + zero_point, *RANGES[kind]).astype(np.int64)


def spread_scale(node: ir.Node, shape: tuple[int, ...]) -> tuple[Floats, Whole]:
    """Scale, and zero point, of a QuantizeLinear or DequantizeLinear, shaped so that they spread over ``shape``.

    Raises LeftAloneError where they are not constant, the scale is not float32, or is for blocks.
    """
    scale, zero_point = (constant(value) for value in (*node.inputs[1:], None)[:2])
    given = node.inputs[2] if len(node.inputs) > 2 else None
    if scale is None or (given is not None and zero_point is None):
        raise LeftAloneError("the scale or zero point of its quantized weight is not constant")
    if scale.dtype != np.float32 or not np.isfinite(scale).all():
        raise LeftAloneError(f"the scale of its quantized weight is {scale.dtype}, not finite float32")
    if node.attributes.get_int("block_size", 0) or scale.ndim > 1:
        raise LeftAloneError("its quantized weight has a scale for each block, not for each output channel")
    axis = node.attributes.get_int("axis", 1)
    return _spread(scale, axis, shape), _spread(np.zeros(1) if zero_point is None else zero_point, axis, shape).astype(
        np.int64
    )


def _spread(array: npt.NDArray[Any], axis: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """``array``, one number or one for each place along ``axis``, with as many axes as ``shape``."""
    if array.size == 1:
        return array.reshape(())
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis < len(shape) or shape[axis] != array.size:
        raise LeftAloneError(f"the scale of its quantized weight has {array.size} numbers along axis {axis} of {shape}")
    return array.reshape([-1 if place == axis else 1 for place in range(len(shape))])
