"""Makes a graph of a network, in which layers and streams are quantized: torch.fx finds where."""

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node, Tracer
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F

from qcompile.errors import QCompileError
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.graph_nodes import Nodes
from qcompile.frontend.mixed.quantized_layer import QuantizedLayer, StepsPer
from qcompile.frontend.mixed.stream_places import find_streams, origin
from qcompile.frontend.mixed.stream_quantizer import StreamQuantizer

STREAMS = "qcompile_streams"  # the submodule that holds the stream quantizers


def trace_quantized(
    network: nn.Module, candidates: Mapping[str, Candidates], example_images: torch.Tensor, steps_per: StepsPer
) -> GraphModule:
    """``network``, which stays as it is, as a graph with a QuantizedLayer in the place of each layer in ``candidates``.

    StreamQuantizers stand where decision 0014 says, named after the nodes that they read. Their steps, and those of
    activations, are not initialized yet. ``example_images`` [batch, ...] tell the shapes.

    Raises QCompileError for a network that torch.fx cannot trace, or in which a layer does not run exactly once.
    """
    traced = _trace(copy.deepcopy(network))
    _check_layers(traced, candidates)
    for name, its in candidates.items():
        try:
            layer = QuantizedLayer(traced.get_submodule(name), its, steps_per=steps_per)  # type: ignore[arg-type]
        except QCompileError as error:
            raise QCompileError(f"{name}: {error}") from error
        traced.set_submodule(name, layer)
    _infer_shapes(traced, example_images)
    _insert_streams(traced)
    traced.recompile()
    return traced


def find_outputs(traced: GraphModule) -> dict[str, tuple[QuantizedLayer, nn.Module]]:
    """Each quantized layer by name, with the module that gives its result: itself, or its batch normalization."""
    nodes = Nodes(traced)
    found: dict[str, Any] = {}
    for node in nodes.layers:
        found[str(node.target)] = (nodes.module(node), nodes.module(nodes.output_of(node)))
    return found


def _trace(network: nn.Module) -> GraphModule:
    network.train()  # so that what asks for the mode while it is traced is found, and refused
    try:
        graph = Tracer().trace(network)
    except Exception as error:  # tracing runs the network's own code, which may raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise QCompileError(
            f"mixed precision: torch.fx cannot trace {type(network).__name__}: {reason}. "
            "Its forward must not branch on what its tensors hold."
        ) from error
    traced = GraphModule(network, graph)
    for name, buffer in traced.named_buffers():  # torch.fx makes all of them part of the saved state
        path, _, attribute = name.rpartition(".")
        persistent = attribute not in network.get_submodule(path)._non_persistent_buffers_set
        traced.get_submodule(path).register_buffer(attribute, buffer, persistent=persistent)
    return traced


def _check_layers(traced: GraphModule, candidates: Mapping[str, Candidates]) -> None:
    calls = Counter(str(node.target) for node in traced.graph.nodes if node.op == "call_module")
    for name, module in traced.named_modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d) and name not in candidates:
            raise QCompileError(
                f"{name}: has no candidates, or its weight is another layer's; every layer needs its own"
            )
    for name in candidates:
        if calls[name] != 1:
            raise QCompileError(
                f"{name}: runs {calls[name]} times in a pass, wanted once. "
                "Take out what never runs; make a layer of its own for each use."
            )
    for node in traced.graph.nodes:
        if node.target in (F.linear, F.conv1d, F.conv2d):
            raise QCompileError(f"{node.name}: a layer as a function has no name in a plan; make it a module")
        if node.target is F.dropout:
            raise QCompileError(f"{node.name}: F.dropout would drop in deployment too; make it a nn.Dropout")


def _infer_shapes(traced: GraphModule, example_images: torch.Tensor) -> None:
    """Notes the shape of each node's result, and leaves batch statistics alone."""
    traced.eval()
    with torch.no_grad():
        ShapeProp(traced).propagate(example_images)
    traced.train()


def _insert_streams(traced: GraphModule) -> None:
    """Puts a quantizer behind each stream, before all its readers, and tells layers which of them read streams."""
    nodes = Nodes(traced)
    streams = find_streams(nodes)
    for layer in nodes.layers:
        module: Any = nodes.module(layer)
        module.reads_codes = origin(nodes, layer.all_input_nodes[0]) in streams
    for stream in streams:
        _insert_stream(traced, stream)


def _insert_stream(traced: GraphModule, stream: Node) -> None:
    name = f"{STREAMS}.{stream.name}"
    traced.add_submodule(name, StreamQuantizer())
    with traced.graph.inserting_after(stream):
        quantized = traced.graph.call_module(name, (stream,))
    stream.replace_all_uses_with(quantized, delete_user_cb=lambda reader: reader is not quantized)
