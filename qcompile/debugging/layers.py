"""The layers of a packed file that are judged, and where each of them ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx

from qcompile.debugging.counterparts import Counterpart, code_tensors
from qcompile.integer_product import INTEGER_PRODUCTS
from qcompile.ops import DOMAIN
from qcompile.packed_model import PackedLayer, packed_layers
from qcompile.places import read_places
from qcompile.sparse_ops import SPARSE_OF


@dataclass(frozen=True, eq=False)
class Layer:
    """An operator with a packed weight, or a product of activations, whose ``packed`` is None.

    ``output`` is the tensor at its end: behind corrections, behind the Transpose that puts the channels of floats in
    their place, or behind the DequantizeLinear that ends the graph. ``reads`` are the tensors nearest before it that
    have a counterpart; ``nodes`` lie in between.
    """

    node: onnx.NodeProto
    packed: PackedLayer | None
    output: str
    reads: tuple[str, ...]
    nodes: tuple[onnx.NodeProto, ...] = field(repr=False)
    problem: str | None

    @property
    def name(self) -> str:
        """As `qcompile report` calls it."""
        return self.node.name

    @property
    def activation_bits(self) -> int:
        """Bits of what it reads: those of codes, 16 of bfloat16, or 32."""
        if self.packed is not None:
            return self.packed.activation_bits
        return next((attribute.i for attribute in self.node.attribute if attribute.name == "a_bits"), 8)


def find_layers(packed: onnx.ModelProto, counterparts: dict[str, Counterpart]) -> list[Layer]:
    """The layers of ``packed`` in the order of the graph; ``problem`` says why one cannot be compared.

    Raises ModelError if there is no packed layer or one breaks a rule of the packed format.
    """
    weighted = {layer.node.output[0]: layer for layer in packed_layers(packed)}
    graph = _Graph(packed, counterparts)
    found = []
    for node in packed.graph.node:
        is_product = node.domain == DOMAIN and node.op_type in INTEGER_PRODUCTS
        if is_product or (node.domain == DOMAIN and node.output[0] in weighted):
            found.append(graph.layer(node, weighted.get(node.output[0])))
    return found


class _Graph:
    """Who gives and who reads each tensor of a packed file."""

    def __init__(self, packed: onnx.ModelProto, counterparts: dict[str, Counterpart]) -> None:
        self._counterparts = counterparts
        self._places, self._codes = read_places(packed), code_tensors(packed)
        self._order = {node.output[0]: place for place, node in enumerate(packed.graph.node) if node.output}
        self._givers = {name: node for node in packed.graph.node for name in node.output}
        self._inputs = {value.name for value in packed.graph.input} - {t.name for t in packed.graph.initializer}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in packed.graph.node:
            for name in tensors_read(node):
                self._readers.setdefault(name, []).append(node)

    def layer(self, node: onnx.NodeProto, packed: PackedLayer | None) -> Layer:
        """The layer of ``node``."""
        output = self._end(node.output[0])
        if output not in self._counterparts:
            return Layer(node, packed, output, (), (), self._why(output))
        reads, nodes = self._before(output)
        unknown = [name for name in reads if name not in self._counterparts]
        problem = f"the float model has no input {', '.join(unknown)}" if unknown else None
        return Layer(node, packed, output, reads, nodes, problem)

    def _why(self, output: str) -> str:
        """Why ``output`` has no counterpart."""
        if output in self._places:
            return f"the float model has no tensor {self._places[output].tensor}, which {output} stands for"
        if output in self._codes:
            return f"the packed file does not say which tensor {output} stands for: compile it again"
        return f"the float model has no tensor {output}"

    def _end(self, value: str) -> str:
        while value not in self._counterparts:
            readers = self._readers.get(value, [])
            if len(readers) != 1 or not _continues(readers[0], value):
                break
            value = readers[0].output[0]
        return value

    def _before(self, output: str) -> tuple[tuple[str, ...], tuple[onnx.NodeProto, ...]]:
        """What is read to compute ``output``, back to what has a counterpart, and the nodes that do."""
        open_values, reads, nodes = [output], dict[str, None](), dict[str, onnx.NodeProto]()
        while open_values:
            value = open_values.pop()
            if value in self._inputs or (value in self._counterparts and value != output):
                reads[value] = None
            elif value in self._givers and (node := self._givers[value]).output[0] not in nodes:
                nodes[node.output[0]] = node
                open_values += tensors_read(node)
        return tuple(reads), tuple(sorted(nodes.values(), key=lambda node: self._order[node.output[0]]))


def tensors_read(node: onnx.NodeProto) -> list[str]:
    """What ``node`` reads, in its subgraphs as well."""
    inner = [graph for attribute in node.attribute for graph in _graphs(attribute)]
    return [name for name in node.input if name] + [
        name for graph in inner for each in graph.node for name in tensors_read(each)
    ]


def _graphs(attribute: onnx.AttributeProto) -> Sequence[onnx.GraphProto]:
    return [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def _continues(node: onnx.NodeProto, value: str) -> bool:
    """Whether ``node`` only puts the axes of ``value`` in order, makes codes of it numbers, or corrects it."""
    if node.domain == DOMAIN:
        return node.op_type in SPARSE_OF.values() and node.input[1] == value
    return node.op_type in ("Transpose", "DequantizeLinear")
