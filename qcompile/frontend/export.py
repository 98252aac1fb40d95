"""Writes a network as ONNX with standard operators only: codebook weights as lookups, everything else as it is.

A weight is Gather(codebook, indices), times its scale where it has one (Mul), plus its corrections where it has some
(ScatterND that adds). While torch's optimizer runs each codebook weight is an input of the graph, a value it can know
nothing about; afterwards the lookup takes the input's place.
"""

import difflib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from qcompile.errors import QCompileError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.export_graph import add_initializer, optimize_around, reveal, trace, write_model


def export_onnx(
    network: torch.nn.Module,
    weights: Mapping[str, CodebookWeight],
    example_inputs: tuple[torch.Tensor, ...],
    path: str | pathlib.Path,
    *,
    plan: Mapping[str, Any] | None = None,
    input_names: Sequence[str] = ("input",),
    output_names: Sequence[str] = ("output",),
) -> None:
    """Writes ``network`` to ``path`` as ONNX whose parameters in ``weights`` are codebook lookups.

    ``weights`` maps parameter names ("fc1.weight") to what they became. Axis 0 of each of ``example_inputs`` is
    the batch and stays free. ``plan`` is embedded as JSON. The network itself is not changed.

    Raises QCompileError if a name is no parameter of the network or its shape differs.
    """
    _check_names_and_shapes(network, weights)
    model = trace(network, example_inputs, input_names, output_names)
    optimize_around(model, weights)
    for name, weight in weights.items():
        reveal(model.graph, name, _weight_nodes(model.graph, name, weight))
    write_model(model, path, plan)


def _check_names_and_shapes(network: torch.nn.Module, weights: Mapping[str, CodebookWeight]) -> None:
    parameters = dict(network.named_parameters())
    for name, weight in weights.items():
        if name not in parameters:
            near = ", ".join(difflib.get_close_matches(name, parameters)) or "none"
            raise QCompileError(f"export: {name!r} is no parameter of the network; near names: {near}")
        wanted, found = list(parameters[name].shape), list(weight.indices.shape)
        if wanted != found:
            raise QCompileError(f"export: {name} is {wanted} in the network, its codebook weight is {found}")


def _weight_nodes(graph: ir.Graph, name: str, weight: CodebookWeight) -> list[ir.Node]:
    """A lookup of ``weight``'s indices in its codebook, scaled and corrected."""
    nodes = _lookup_nodes(graph, name, weight)
    if weight.scale is not None:
        nodes.append(_scale_node(graph, name, nodes[-1].outputs[0], weight.scale, weight.indices.dim()))
    if weight.corrections is not None and len(weight.corrections.positions):
        nodes.append(_correction_node(graph, name, nodes[-1].outputs[0], weight))
    return nodes


def _lookup_nodes(graph: ir.Graph, name: str, weight: CodebookWeight) -> list[ir.Node]:
    """Gather for one codebook; GatherElements, reshaped where needed, for one codebook a group of channels."""
    shape, groups = tuple(weight.indices.shape), weight.codebook.shape[0]
    indices = weight.indices.numpy().astype(np.int32)  # Gather takes no smaller type
    codebook = weight.codebook.detach().numpy()
    if groups == 1:
        tensors = {"codebook": codebook[0], "indices": indices}
    else:
        tensors = {"codebook": codebook, "indices": indices.reshape(groups, -1)}
    inputs = [add_initializer(graph, f"{name}.{kind}", array) for kind, array in tensors.items()]
    if groups == 1:
        return [ir.node("Gather", inputs, {"axis": 0}, name=f"{name}.lookup")]
    by_group = ir.node("GatherElements", inputs, {"axis": 1}, name=f"{name}.lookup")
    if groups == shape[0] and len(shape) == 2:
        return [by_group]
    target = add_initializer(graph, f"{name}.shape", np.array(shape, np.int64))
    return [by_group, ir.node("Reshape", [by_group.outputs[0], target], name=f"{name}.reshape")]


def _scale_node(graph: ir.Graph, name: str, looked_up: ir.Value, scale: torch.Tensor, axes: int) -> ir.Node:
    """Mul by the scale, [channels or 1, 1...]: as many axes as the weight."""
    column = scale.detach().numpy().reshape(-1, *[1] * (axes - 1))
    factor = add_initializer(graph, f"{name}.scale", column)
    return ir.node("Mul", [looked_up, factor], name=f"{name}.scaled")


def _correction_node(graph: ir.Graph, name: str, weight_value: ir.Value, weight: CodebookWeight) -> ir.Node:
    """ScatterND that adds the corrections at their places, int64 [count, axes]."""
    corrections = weight.corrections
    assert corrections is not None
    places = np.stack(np.unravel_index(corrections.positions.numpy(), tuple(weight.indices.shape)), axis=1)
    positions = add_initializer(graph, f"{name}.positions", places.astype(np.int64))
    values = add_initializer(graph, f"{name}.corrections", corrections.values.detach().numpy())
    return ir.node("ScatterND", [weight_value, positions, values], {"reduction": "add"}, name=f"{name}.corrected")
