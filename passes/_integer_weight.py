"""The weight of a fused operator in whole numbers: int8 entries times a step for each output channel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.ops import Bytes
from qcompile.passes._operands import BIAS, CODEBOOK, INDICES, SCALE, operand
from qcompile.passes.pack_indices import narrow
from qcompile.tiles import tiled_size

LOWEST, HIGHEST = -128, 127
Doubles = npt.NDArray[np.float64]
Signed = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class IntegerWeight:
    """indices uint8 in ONNX's shape, codebook int8 [groups, 2^bits] or [0], step and bias float64 [n].

    The weight is codebook[index] * step; with no codebook (index - 2^(bits - 1)) * step.
    """

    indices: Bytes
    codebook: Signed
    bits: int
    step: Doubles
    bias: Doubles


def read_integer_weight(node: ir.Node) -> IntegerWeight:
    """The weight of the fused operator ``node``, whose indices are plain bytes.

    Exact where the entries of each codebook, but those larger than all that occur, are whole multiples, from -128 to
    127, of some number; else rounded to 127 steps.
    """
    shape = tuple(node.attributes["weight_shape"].as_ints())
    codebook, scale, bias = (operand(node, position) for position in (CODEBOOK, SCALE, BIAS))
    places = operand(node, INDICES).reshape(len(codebook), -1)
    reach = [np.abs(row[np.unique(place)]).max() for row, place in zip(codebook, places, strict=True)]
    used = [row[np.abs(row) <= most] for row, most in zip(codebook, reach, strict=True)]  # none larger than occurs
    steps = np.array([find_step(row.astype(np.float64)) for row in used])
    whole = np.clip(np.rint(codebook / steps[:, None]), LOWEST, HIGHEST)
    indices, entries = narrow(places, whole.astype(np.float32))
    bits = int(entries.shape[1]).bit_length() - 1
    indices, integers = _without_codebook(indices, entries.astype(np.int8), bits)
    bits, indices, integers = _smaller(indices, integers, bits, shape, node.attributes.get_int("group", 1))
    each = np.repeat(steps, shape[0] // len(steps)) * (scale.astype(np.float64) if scale.size else 1.0)
    offsets = bias.astype(np.float64) if bias.size else np.zeros(shape[0])
    return IntegerWeight(indices.reshape(shape), integers, bits, each, offsets)


def _smaller(
    indices: Bytes, codebook: Signed, bits: int, shape: tuple[int, ...], group: int
) -> tuple[int, Bytes, Signed]:
    """The same weight without its codebook where the file is smaller so: of a small weight with many entries."""
    if not codebook.size:
        return bits, indices, codebook
    numbers = np.take_along_axis(codebook, indices.astype(np.intp), axis=1).astype(np.int64)
    plain = max(int(np.maximum(numbers, -1 - numbers).max()).bit_length() + 1, 1)
    if tiled_size(shape, group, plain) >= tiled_size(shape, group, bits) + codebook.size:
        return bits, indices, codebook
    return plain, (numbers + 2 ** (plain - 1)).astype(np.uint8), np.zeros(0, np.int8)


def find_step(entries: Doubles) -> float:
    """The largest number of which all ``entries`` are whole multiples from -128 to 127, to float32 rounding.

    Where there is none, a 127th of the largest entry.
    """
    largest = float(np.abs(entries).max())
    if largest == 0:
        return 1.0
    for multiple in range(1, -LOWEST + 1):
        ratios = entries * (multiple / largest)
        whole = np.rint(ratios)
        # An entry is a float32 product of a whole number and the step: off by 2^-24 of itself, and so is the largest.
        near = np.abs(ratios - whole) <= 2.0**-22 * np.abs(whole)
        if near.all() and whole.min() >= LOWEST and whole.max() <= HIGHEST:
            return largest / multiple
    return largest / HIGHEST


def _without_codebook(indices: Bytes, codebook: Signed, bits: int) -> tuple[Bytes, Signed]:
    """Drops a codebook of consecutive numbers that fit ``bits`` bits: the index then is the number plus half."""
    half, values = 2 ** (bits - 1), codebook.astype(np.int64)
    steps = np.diff(values, axis=1)
    is_ramp = bool(((steps == 1) | (steps == 0)).all()) and values.min() >= -half and values.max() < half
    if not is_ramp:
        return indices, codebook
    numbers = np.take_along_axis(values, indices.astype(np.intp), axis=1)
    return (numbers + half).astype(np.uint8), np.zeros(0, np.int8)
