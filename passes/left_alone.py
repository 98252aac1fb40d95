"""Why codebook weights are still lookups after the passes: read from the model, so that no pass keeps a list."""

import onnx_ir as ir

from qcompile.passes import fuse_codebook_conv, fuse_codebook_gather, fuse_codebook_matmul
from qcompile.passes._match import LeftAloneError, changed_input, is_lookup


def list_left_alone(model: ir.Model) -> list[tuple[str, str]]:
    """The layers that read a codebook weight and were not packed: name and reason, in the order of the graph."""
    found: dict[ir.Node, str] = {}
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if is_lookup(node):
            for reader in _readers(node):
                found.setdefault(reader, _reason(model, reader))
    return [(node.name or node.outputs[0].name or node.op_type, reason) for node, reason in found.items()]


def _readers(node: ir.Node) -> list[ir.Node]:
    """The nodes that read what ``node`` looks up, seen through what only changes it."""
    readers, open_values = [], [node.outputs[0]]
    while open_values:
        value = open_values.pop()
        for reader, _ in value.uses():
            if changed_input(reader) is value:
                open_values.append(reader.outputs[0])
            else:
                readers.append(reader)
    return readers


def _reason(model: ir.Model, node: ir.Node) -> str:
    if node.graph is not model.graph:
        return "it is inside a subgraph"
    for fusion in (fuse_codebook_matmul, fuse_codebook_conv, fuse_codebook_gather):
        if fusion.is_candidate(node):
            try:
                fusion.read_layer(node)
            except LeftAloneError as reason:
                return str(reason)
            return "it was not fused: run the passes"
    return f"{node.op_type} reads the codebook weight: only MatMul, Gemm, Conv and Gather are packed"
