"""Which tensor of the float model each tensor of the packed file stands for, and as what codes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from qcompile import ops
from qcompile.debugging.own_rounding import rounded_tensors
from qcompile.places import CodePlace, read_places

Array = npt.NDArray[Any]
MOVES = frozenset(["Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Concat", "Identity", "MaxPool"])
LARGEST_CODE = 255


@dataclass(frozen=True)
class Counterpart:
    """``tensor`` of the float model, and of codes what they mean; ``lowest`` to ``highest`` are those that occur.

    ``place`` is None where the packed file has the floats themselves. ``unrounded`` is ``tensor``, or, where the float
    model rounds it itself, what it is before that.
    """

    tensor: str
    unrounded: str
    place: CodePlace | None = None
    lowest: int = 0
    highest: int = LARGEST_CODE

    def encode(self, numbers: Array) -> Array:
        """``numbers``, shaped like the tensor, as the packed file has them: floats, or uint8 codes in their layout.

        NaN becomes the lowest code, as QuantizeInput makes it.
        """
        if self.place is None:
            return numbers
        codes = np.empty(numbers.shape, np.uint8)
        for row, own in zip(_rows(numbers), _rows(codes), strict=True):  # singly: float64 takes 8 times the bytes
            steps = np.nan_to_num(np.rint(self._steps(row)), nan=self.lowest)
            own[:] = np.clip(steps, self.lowest, self.highest)
        return _in_file_order(codes, self.place)

    def decode(self, found: Array) -> Array:
        """What the packed file has as numbers, as DequantizeLinear gives them, in the layout of the float model."""
        if self.place is None:
            return found
        numbers = _in_model_order(found, self.place).astype(np.float32)
        numbers -= np.float32(self.place.zero_point)
        numbers *= np.float32(self.place.scale)
        return numbers

    def clips(self, numbers: Array) -> npt.NDArray[np.bool_]:
        """Which ``numbers``, those of ``unrounded``, lie beyond the codes, by more than a rounded zero point may cost.

        Below codes that begin at zero nothing counts: they are the rectifier as well.
        """
        clipped = np.zeros(numbers.shape, np.bool_)
        if self.place is None:
            return clipped
        for row, own in zip(_rows(numbers), _rows(clipped), strict=True):
            steps = self._steps(row)
            own[:] = steps > self.highest + 1
            if self.lowest < self.place.zero_point:
                own |= steps < self.lowest - 1
        return clipped

    def _steps(self, numbers: Array) -> npt.NDArray[np.float64]:
        assert self.place is not None
        return np.asarray(numbers, np.float64) / self.place.scale + self.place.zero_point


def find_counterparts(floats: onnx.ModelProto, packed: onnx.ModelProto) -> dict[str, Counterpart]:
    """By the names of tensors in ``packed``, the inputs and computed ones of ``floats`` that they stand for.

    Codes are found by what compiling wrote into the file, floats by their names, which compiling keeps. Where the float
    model itself rounds what the codes stand for, the counterpart is what it computes with: behind its rounding.
    Raises ModelError where the file does not say of codes what compiling writes.
    """
    places, known = read_places(packed), set(tensor_names(floats))
    initializers = {tensor.name: tensor for tensor in packed.graph.initializer}
    own = {name: node for node in packed.graph.node if node.domain == ops.DOMAIN for name in node.output}
    codes = code_tensors(packed)
    rounded = rounded_tensors(floats)
    found = {name: Counterpart(name, name) for name in tensor_names(packed) if name in known and name not in codes}
    for name, place in places.items():
        if name in own and place.tensor in known:
            tensor = rounded.get((place.tensor, np.float32(place.scale)), place.tensor)
            found[name] = Counterpart(tensor, place.tensor, place, *_bounds(own[name], initializers))
    return found


def tensor_names(model: onnx.ModelProto) -> list[str]:
    """The inputs and computed tensors of the graph of ``model``."""
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in stored]
    return inputs + [name for node in model.graph.node for name in node.output if name]


def code_tensors(model: onnx.ModelProto) -> set[str]:
    """The tensors that are codes: what integer operators and QuantizeLinear give, and what only moves codes."""
    codes: set[str] = set()
    for node in model.graph.node:
        own = node.domain == ops.DOMAIN and not _gives_floats(node)
        moved = node.domain != ops.DOMAIN and node.op_type in MOVES and node.input[0] in codes
        if own or moved or node.op_type == "QuantizeLinear":
            codes.update(node.output)
    return codes


def _rows(array: Array) -> Array:
    """``array`` [rows, ...] as [rows, all else]: a view where it is contiguous."""
    return array.reshape(len(array), math.prod(array.shape[1:]))


def _gives_floats(node: onnx.NodeProto) -> bool:
    return node.op_type.endswith(("Float", "Dynamic")) or node.op_type.startswith(("Codebook", "Sparse"))


def _bounds(node: onnx.NodeProto, initializers: Mapping[str, onnx.TensorProto]) -> tuple[int, int]:
    """The lowest and the highest code that ``node`` gives."""
    if node.op_type.endswith("Table") and node.input[-1] in initializers:
        table = numpy_helper.to_array(initializers[node.input[-1]])
        return int(table.min()), int(table.max())
    ends = {attribute.name: attribute.i for attribute in node.attribute if attribute.name in ("y_min", "y_max")}
    return ends.get("y_min", 0), ends.get("y_max", LARGEST_CODE)


def _in_file_order(codes: Array, place: CodePlace) -> Array:
    if place.channels_last:
        return np.ascontiguousarray(np.moveaxis(codes, 1, -1))
    if not place.flattened:
        return codes
    *spatial, channels = place.flattened
    apart = codes.reshape(len(codes), channels, *spatial)
    return np.moveaxis(apart, 1, -1).reshape(len(codes), -1)


def _in_model_order(codes: Array, place: CodePlace) -> Array:
    if place.channels_last:
        return np.moveaxis(codes, -1, 1)
    if not place.flattened:
        return codes
    return np.moveaxis(codes.reshape(len(codes), *place.flattened), -1, 1).reshape(len(codes), -1)
