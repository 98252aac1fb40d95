"""What the fusion of MatMul and of Conv share: the plain form of a weight, and putting the operator in place.

A fused operator first holds plain indices, a byte each, and codebooks of 256 entries: packed at 8 bits. So the model
can run after every pass; PackIndices narrows it.
"""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from qcompile.ops import DOMAIN, DOMAIN_VERSION, Floats, check_packed_weight
from qcompile.passes._layer import Layer
from qcompile.passes._match import LeftAloneError, is_constant
from qcompile.passes._operands import absent, drop_unused, free_name, graph_of, initializer, register
from qcompile.sparse_ops import SPARSE_OF, check_corrections, encode_corrections

PLAIN_BITS = 8


IsCandidate = Callable[[ir.Node], bool]
ReadLayer = Callable[[ir.Node], Layer]
# The indices and codebook of a weight that was fused before, so that its next reader shares them.
SharedWeights = dict[tuple[ir.Value, str, tuple[int, ...]], tuple[ir.Value, ir.Value]]


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
    if key not in shared or not is_constant(shared[key][0], layer.indices.reshape(-1)):  # a square one turned over
        shared[key] = (initializer(layer.indices.reshape(-1)), initializer(_padded(layer.codebook)))
    scale = absent(graph) if layer.scale is None else initializer(layer.scale)
    operands = (*shared[key], scale, _bias(graph, layer))
    attributes = {"bits": PLAIN_BITS, "weight_shape": layer.indices.shape, **layer.attributes}
    operator = ir.node(layer.operator, [layer.x, *operands], attributes, domain=DOMAIN, name=name)
    sparse = _sparse_node(name, layer, node, operator)
    last = sparse or operator
    new = [operator] if sparse is None else [operator, sparse]
    ir.convenience.replace_nodes_and_values(graph, node, [node], new, node.outputs, last.outputs)
    for value in old_inputs:
        drop_unused(value)  # first: then their names are free
    weight = f"{name}.weight"
    names = (f"{weight}.indices", f"{weight}.codebook", f"{weight}.scale", _bias_name(name, layer))
    for value, wanted in zip(operands, names, strict=True):
        if not value.is_initializer():
            register(graph, value, wanted)
    if sparse is not None:
        for value, wanted in zip(sparse.inputs[2:], (f"{weight}.gaps", f"{weight}.corrections"), strict=True):
            assert value is not None
            register(graph, value, wanted)
    graph.opset_imports[DOMAIN] = DOMAIN_VERSION
    _check(name, layer)


def _sparse_node(name: str, layer: Layer, node: ir.Node, operator: ir.Node) -> ir.Node | None:
    """What adds the corrections of ``layer`` to the output of ``operator``, in the place of ``node``; None for none."""
    if layer.corrections is None:
        return None
    graph, base, described = graph_of(node), operator.outputs[0], node.outputs[0]
    base.name = free_name(f"{name}.base", set(ir.convenience.create_value_mapping(graph)))
    base.shape, base.type = described.shape, described.type
    gaps, values = encode_corrections(layer.corrections)
    shape = layer.indices.shape
    check_corrections(name, gaps, values, shape)
    taken = {other.name for other in graph if other.name}
    return ir.node(
        SPARSE_OF[layer.operator],
        [layer.x, base, initializer(gaps), initializer(values)],
        {"weight_shape": shape, **layer.attributes},
        domain=DOMAIN,
        name=free_name(f"{name}.corrections", taken),
    )


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
