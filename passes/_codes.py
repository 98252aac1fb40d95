"""Activations as codes while a model is lowered: where they lie, what they mean, in which layout."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from qcompile.passes._match import constant
from qcompile.passes._operands import free_name
from qcompile.passes._quantized import code_type


@dataclass(frozen=True, eq=False)
class Codes:
    """uint8 codes: the number is (code - zero_point) * scale, codes are below 2^bits.

    ``channels_last``: ``value`` has the channels as its last axis, where the model has them as its second.
    ``flattened``: the last axis of ``value`` counts through (*spatial, channels) of these sizes, where the model counts
    through (channels, *spatial); None where it is as the model has it.
    """

    value: ir.Value
    scale: float
    zero_point: int
    bits: int = 8
    channels_last: bool = False
    flattened: tuple[int, ...] | None = None

    def has_scale_of(self, other: "Codes") -> bool:
        """Whether a code means the same number in both."""
        return self.scale == other.scale and self.zero_point == other.zero_point

    def code_of(self, number: float) -> int:
        """The code of ``number``, cut to what fits; infinities are the ends."""
        if not np.isfinite(number):
            return 255 if number > 0 else 0
        rounded = np.rint(np.float32(number) / np.float32(self.scale)) + self.zero_point
        return int(np.clip(rounded, 0, 255))


def read_codes(node: ir.Node) -> Codes | None:
    """What a QuantizeLinear gives, or a DequantizeLinear takes, of codes of one scale; None for any other kind."""
    value = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
    scale = constant(node.inputs[1])
    given = node.inputs[2] if len(node.inputs) > 2 else None
    zero_point = np.zeros((), np.uint8) if given is None else constant(given)
    if value is None or scale is None or zero_point is None or scale.size != 1 or zero_point.size != 1:
        return None
    if code_type(node) != "uint8" or scale.dtype != np.float32 or not float(scale.reshape(())) > 0:
        return None
    return Codes(value, float(scale.reshape(())), int(zero_point.reshape(())))


class Builder:
    """Puts new nodes before a place in the graph, with names that are free."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._taken = set(ir.convenience.create_value_mapping(graph))
        self._renamed: list[tuple[ir.Value, str, str]] = []  # new values, what they are called and were to be called
        self._node_names = {str(node.name) for node in graph if node.name}
        self._place: ir.Node | None = None
        self._transposed: dict[tuple[ir.Value, tuple[int, ...]], ir.Value] = {}

    def begin_before(self, place: ir.Node) -> None:
        """New nodes go before ``place`` from now on."""
        self._place = place

    def add(self, node: ir.Node, output_name: str, kind: ir.DataType, shape: ir.Shape | None) -> ir.Value:
        """Adds ``node`` and gives its output a name like ``output_name``, a type and a shape."""
        assert self._place is not None
        self._graph.insert_before(self._place, node)
        return self._describe(node, output_name, kind, shape)

    def add_behind(
        self, value: ir.Value, node: ir.Node, output_name: str, kind: ir.DataType, shape: ir.Shape | None
    ) -> ir.Value:
        """As ``add``, but right behind what computes ``value``: before whatever else may read it."""
        producer = value.producer()
        if producer is None:
            self._graph.insert_before(self._graph[0], node)
        else:
            self._graph.insert_after(producer, node)
        return self._describe(node, output_name, kind, shape)

    def _describe(self, node: ir.Node, output_name: str, kind: ir.DataType, shape: ir.Shape | None) -> ir.Value:
        if node.name:
            node.name = free_name(node.name, self._node_names)
            self._node_names.add(node.name)
        output = node.outputs[0]
        self._name(output, output_name)
        output.type, output.shape = ir.TensorType(kind), shape
        return output

    def take_name(self, node: ir.Node) -> str:
        """The name of ``node``, free for what takes its place; ``node`` gets another one."""
        name = node.name or node.op_type
        self._node_names.discard(name)
        node.name = free_name(f"{name}.float", self._node_names)
        self._node_names.add(node.name)
        return name

    def initializer(self, array: npt.NDArray[np.generic], name: str) -> ir.Value:
        """A new initializer with a name like ``name``."""
        tensor = ir.tensor(np.asarray(array, order="C"))  # ascontiguousarray would give a single number an axis
        found = ir.Value(shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self._name(found, name)
        self._graph.register_initializer(found)
        return found

    def _name(self, value: ir.Value, wanted: str) -> None:
        value.name = free_name(wanted, self._taken)
        self._taken.add(value.name)
        if value.name != wanted:
            self._renamed.append((value, value.name, wanted))

    def settle_names(self) -> None:
        """Gives new values the names that have become free since they were added."""
        taken = set(ir.convenience.create_value_mapping(self._graph))
        for value, name, wanted in self._renamed:
            if value.name == name and wanted not in taken:
                value.name = wanted
                taken.add(wanted)

    def channels_last(self, codes: Codes) -> Codes:
        """``codes`` with channels last; of any rank from 3 on."""
        if codes.channels_last:
            return codes
        rank = _rank(codes.value)
        return replace(codes, value=self._transpose(codes.value, (0, *range(2, rank), 1)), channels_last=True)

    def as_in_model(self, codes: Codes) -> Codes:
        """``codes`` in the layout of the model."""
        if codes.flattened is not None:
            return self._unflatten(codes)
        if not codes.channels_last:
            return codes
        rank = _rank(codes.value)
        return replace(
            codes, value=self._transpose(codes.value, (0, rank - 1, *range(1, rank - 1))), channels_last=False
        )

    def to_channels_first(self, value: ir.Value) -> ir.Value:
        """``value``, channels last, as the model has it."""
        rank = _rank(value)
        return self._transpose(value, (0, rank - 1, *range(1, rank - 1)))

    def _transpose(self, value: ir.Value, axes: tuple[int, ...]) -> ir.Value:
        key = (value, axes)
        if key not in self._transposed:
            shape = ir.Shape([_dims(value)[axis] for axis in axes])
            node = ir.node("Transpose", [value], {"perm": axes})
            assert value.dtype is not None
            self._transposed[key] = self.add_behind(value, node, f"{value.name}.transposed", value.dtype, shape)
        return self._transposed[key]

    def _unflatten(self, codes: Codes) -> Codes:
        """Codes flattened channels last, in the order of the model."""
        sizes = codes.flattened
        assert sizes is not None
        count = int(np.prod(sizes))
        tall = ir.Shape([_dims(codes.value)[0], *sizes])
        apart = self.initializer(np.array([-1, *sizes], np.int64), f"{codes.value.name}.shape")
        split = self.add(ir.node("Reshape", [codes.value, apart]), f"{codes.value.name}.split", ir.DataType.UINT8, tall)
        turned = self.to_channels_first(split)
        flat = self.initializer(np.array([-1, count], np.int64), f"{codes.value.name}.shape")
        shape = ir.Shape([_dims(codes.value)[0], count])
        joined = self.add(ir.node("Reshape", [turned, flat]), f"{codes.value.name}.joined", ir.DataType.UINT8, shape)
        return replace(codes, value=joined, flattened=None)


def _dims(value: ir.Value) -> tuple[int | ir.SymbolicDim, ...]:
    assert value.shape is not None, f"{value.name} has no shape"
    return tuple(value.shape.dims)


def _rank(value: ir.Value) -> int:
    return len(_dims(value))


def moved_last(shape: ir.Shape | None) -> ir.Shape | None:
    """A shape with its second axis, the channels, last."""
    return None if shape is None else ir.Shape([shape.dims[0], *shape.dims[2:], shape.dims[1]])
