"""What the fusion of MatMul and of Conv share: the plain form of a weight, and putting the operator in place.

A fused operator first holds plain indices, a byte each, and codebooks of 256 entries: packed at 8 bits. So the model
can run after every pass; PackIndices narrows it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from qcompile.ops import DOMAIN, DOMAIN_VERSION, Bytes, Floats, check_packed_weight
from qcompile.passes._match import Integers, LeftAloneError, Lookup, constant, is_constant
from qcompile.passes._operands import absent, drop_unused, free_name, graph_of, initializer, register

PLAIN_BITS = 8


@dataclass(frozen=True, eq=False)
class Layer:
    """A node that reads a codebook weight, as the operator of ours that it becomes.

    ``weight`` is what the node reads; ``indices`` are uint8 [n, ...], output channels first, rows of ``codebook``
    [groups, K]. ``scale`` and ``bias`` are float32 [n] or None; ``bias_source`` is the bias that the node reads.
    """

    operator: str
    x: ir.Value
    weight: ir.Value
    indices: Bytes
    codebook: Floats
    scale: Floats | None = None
    bias: Floats | None = None
    bias_source: ir.Value | None = None
    attributes: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)


IsCandidate = Callable[[ir.Node], bool]
ReadLayer = Callable[[ir.Node], Layer]
# The indices and codebook of a weight that was fused before, so that its next reader shares them.
SharedWeights = dict[tuple[ir.Value, str, tuple[int, ...]], tuple[ir.Value, ir.Value]]


def split_by_group(lookup: Lookup, entries: Integers) -> Bytes:
    """The indices into each output channel's own codebook, uint8, shaped like ``entries`` [n, ...].

    Raises LeftAloneError unless equally many neighbouring channels share each codebook.
    """
    groups, size = lookup.codebook.shape
    outputs = entries.shape[0]
    owners = np.arange(outputs) * groups // outputs
    if outputs % groups or not np.array_equal(entries.reshape(outputs, -1) // size, _columns(owners, entries)):
        raise LeftAloneError(
            f"its {groups} codebooks do not each serve {outputs}/{groups} neighbouring output channels"
        )
    return np.asarray(entries % size, dtype=np.uint8)


def read_bias(value: ir.Value | None, outputs: int, shapes: tuple[tuple[int, ...], ...]) -> Floats | None:
    """The constant bias of a node for each of its ``outputs`` channels, float32 [n].

    Raises LeftAloneError where it is not constant or has none of ``shapes``.
    """
    if value is None:
        return None
    bias = constant(value)
    if bias is None:
        raise LeftAloneError("its bias is not constant")
    if bias.dtype != np.float32 or bias.shape not in shapes:
        raise LeftAloneError(
            f"its bias is {bias.dtype} {list(bias.shape)}, not one float32 for each of {outputs} outputs"
        )
    return np.broadcast_to(bias.reshape(-1), (outputs,)).astype(np.float32)


def fuse_candidates(model: ir.Model, is_candidate: IsCandidate, read_layer: ReadLayer) -> bool:
    """Fuses each candidate that ``read_layer`` can read; whether there was one."""
    modified = False
    shared: SharedWeights = {}
    for node in [node for node in model.graph if is_candidate(node)]:
        try:
            layer = read_layer(node)
        except LeftAloneError:
            continue  # left_alone.py says why, once all passes are done
        _fuse(node, layer, shared)
        modified = True
    return modified


def check_none_is_left(model: ir.Model, is_candidate: IsCandidate, read_layer: ReadLayer) -> None:
    """Raises PostconditionError if ``read_layer`` can still read a candidate."""
    for node in [node for node in model.graph if is_candidate(node)]:
        try:
            read_layer(node)
        except LeftAloneError:
            continue
        raise ir.passes.PostconditionError(f"{node.name}: {node.op_type} was not fused")


def _fuse(node: ir.Node, layer: Layer, shared: SharedWeights) -> None:
    """Puts ``layer`` in the place of ``node``."""
    graph, name, old_inputs = graph_of(node), _layer_name(node, layer), list(node.inputs)
    key = (layer.weight, layer.operator, layer.indices.shape)
    if key not in shared:
        shared[key] = (initializer(layer.indices.reshape(-1)), initializer(_padded(layer.codebook)))
    scale = absent(graph) if layer.scale is None else initializer(layer.scale)
    operands = (*shared[key], scale, _bias(graph, layer))
    attributes = {"bits": PLAIN_BITS, "weight_shape": layer.indices.shape, **layer.attributes}
    operator = ir.node(layer.operator, [layer.x, *operands], attributes, domain=DOMAIN, name=name)
    ir.convenience.replace_nodes_and_values(graph, node, [node], [operator], node.outputs, operator.outputs)
    for value in old_inputs:
        drop_unused(value)  # first: then their names are free
    weight = f"{name}.weight"
    names = (f"{weight}.indices", f"{weight}.codebook", f"{weight}.scale", _bias_name(name, layer))
    for value, wanted in zip(operands, names, strict=True):
        if not value.is_initializer():
            register(graph, value, wanted)
    graph.opset_imports[DOMAIN] = DOMAIN_VERSION
    _check(name, layer)


def _columns(owners: Integers, entries: Integers) -> Integers:
    return np.broadcast_to(owners[:, None], (len(owners), entries.size // len(owners)))


def _padded(codebook: Floats) -> Floats:
    """``codebook`` [groups, K] with 2^8 entries in each row: the last one is repeated."""
    return np.pad(codebook, [(0, 0), (0, 2**PLAIN_BITS - codebook.shape[1])], mode="edge")


def _bias(graph: ir.Graph, layer: Layer) -> ir.Value:
    """The bias as it was in the model where nothing changed it, so that it keeps its name."""
    if layer.bias is None:
        return absent(graph)
    source = layer.bias_source
    if source is not None and source.is_initializer() and is_constant(source, layer.bias):
        return source
    return initializer(layer.bias)


def _bias_name(name: str, layer: Layer) -> str:
    return (layer.bias_source.name if layer.bias_source is not None else None) or f"{name}.bias"


def _layer_name(node: ir.Node, layer: Layer) -> str:
    """The layer that ``node`` computes: "fc1" where its weight, or the indices of it, is called "fc1.weight...".

    Otherwise the name of the node, or of its output.
    """
    value: ir.Value | None = layer.weight
    name = node.name or node.outputs[0].name or layer.operator
    while value is not None:
        if value.name and ".weight" in value.name:
            name = value.name.split(".weight")[0]
        producer = value.producer()
        position = 1 if producer is not None and producer.op_type.startswith("Gather") else 0
        value = producer.inputs[position] if producer is not None and producer.inputs else None
    return free_name(name, {other.name for other in graph_of(node) if other is not node and other.name})


def _check(name: str, layer: Layer) -> None:
    """Raises ModelError where a codebook, scale or bias is not finite."""
    empty = np.zeros(0, np.float32)
    scale, bias = (empty if found is None else found for found in (layer.scale, layer.bias))
    indices, shape = layer.indices.reshape(-1), layer.indices.shape
    check_packed_weight(name, indices, _padded(layer.codebook), scale, bias, PLAIN_BITS, shape)
