"""Writes a network as ONNX with standard operators only: codebook weights as lookups, everything else as it is.

A weight is Gather(codebook, indices), times its scale where it has one (Mul), plus its corrections where it has some
(ScatterND that adds).

torch's exporter runs an optimizer that folds batch normalization into weights and lookups into floats. A folded
weight has lost its codebook. So while the optimizer runs each codebook weight is an input of the graph, a value it
can know nothing about; afterwards the lookup takes the input's place.
"""

import copy
import difflib
import json
import logging
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common
import onnxscript.optimizer
import torch

from qcompile.errors import QCompileError
from qcompile.files import write_atomically
from qcompile.frontend.codebook_weight import CodebookWeight

OPSET, IR_VERSION = 20, 9  # the newest that onnxruntime 1.17 runs
PLAN_KEY = "qcompile.plan"


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
    model = _trace(network, example_inputs, input_names, output_names)
    _hide_weights(model.graph, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnxscript.optimizer.optimize(model)
    for name, weight in weights.items():
        _insert_lookup(model.graph, name, weight)
    # torch notes for each node where it was written: paths of this machine, and another file for the same network.
    onnx_ir.passes.common.ClearMetadataAndDocStringPass()(model)
    model.ir_version = IR_VERSION
    if plan is not None:
        model.metadata_props[PLAN_KEY] = json.dumps(plan, separators=(",", ":"))
    write_atomically(path, ir.to_proto(model).SerializeToString())


def _check_names_and_shapes(network: torch.nn.Module, weights: Mapping[str, CodebookWeight]) -> None:
    parameters = dict(network.named_parameters())
    for name, weight in weights.items():
        if name not in parameters:
            near = ", ".join(difflib.get_close_matches(name, parameters)) or "none"
            raise QCompileError(f"export: {name!r} is no parameter of the network; near names: {near}")
        wanted, found = list(parameters[name].shape), list(weight.indices.shape)
        if wanted != found:
            raise QCompileError(f"export: {name} is {wanted} in the network, its codebook weight is {found}")


def _trace(
    network: torch.nn.Module,
    example_inputs: tuple[torch.Tensor, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
) -> ir.Model:
    """The network in inference mode as an unoptimized graph; parameters are initializers under their own names."""
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)  # "no torchvision"
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            copy.deepcopy(network).eval(),
            example_inputs,
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_shapes=tuple({0: batch} for _ in example_inputs),
        )
    if program is None:
        raise QCompileError("export: torch returned no program")
    return program.model


def _hide_weights(graph: ir.Graph, weights: Mapping[str, CodebookWeight]) -> None:
    """Turns the initializers named in ``weights`` into graph inputs."""
    for name in weights:
        if name not in graph.initializers:
            raise QCompileError(
                f"export: parameter {name} is not read under its own name (is it tied to another, or unused?); "
                f"the graph reads {', '.join(sorted(graph.initializers))}"
            )
        value = graph.initializers.pop(name)
        value.const_value = None
        graph.inputs.append(value)


def _insert_lookup(graph: ir.Graph, name: str, weight: CodebookWeight) -> None:
    """Replaces the input ``name`` by a lookup of ``weight``'s indices in its codebook, scaled and corrected."""
    hidden = next(value for value in graph.inputs if value.name == name)
    nodes = _lookup_nodes(graph, name, weight)
    if weight.scale is not None:
        nodes.append(_scale_node(graph, name, nodes[-1].outputs[0], weight.scale, weight.indices.dim()))
    if weight.corrections is not None and len(weight.corrections.positions):
        nodes.append(_correction_node(graph, name, nodes[-1].outputs[0], weight))
    looked_up = nodes[-1].outputs[0]
    looked_up.name, looked_up.shape, looked_up.type = name, hidden.shape, hidden.type
    hidden.replace_all_uses_with(looked_up)
    graph.inputs.remove(hidden)
    graph.insert_before(graph[0], nodes)


def _lookup_nodes(graph: ir.Graph, name: str, weight: CodebookWeight) -> list[ir.Node]:
    """Gather for one codebook; GatherElements, reshaped where needed, for one codebook a group of channels."""
    shape, groups = tuple(weight.indices.shape), weight.codebook.shape[0]
    indices = weight.indices.numpy().astype(np.int32)  # Gather takes no smaller type
    codebook = weight.codebook.detach().numpy()
    if groups == 1:
        tensors = {"codebook": codebook[0], "indices": indices}
    else:
        tensors = {"codebook": codebook, "indices": indices.reshape(groups, -1)}
    inputs = [_initializer(graph, f"{name}.{kind}", array) for kind, array in tensors.items()]
    if groups == 1:
        return [ir.node("Gather", inputs, {"axis": 0}, name=f"{name}.lookup")]
    by_group = ir.node("GatherElements", inputs, {"axis": 1}, name=f"{name}.lookup")
    if groups == shape[0] and len(shape) == 2:
        return [by_group]
    target = _initializer(graph, f"{name}.shape", np.array(shape, np.int64))
    return [by_group, ir.node("Reshape", [by_group.outputs[0], target], name=f"{name}.reshape")]


def _scale_node(graph: ir.Graph, name: str, looked_up: ir.Value, scale: torch.Tensor, axes: int) -> ir.Node:
    """Mul by the scale, [channels or 1, 1...]: as many axes as the weight."""
    column = scale.detach().numpy().reshape(-1, *[1] * (axes - 1))
    factor = _initializer(graph, f"{name}.scale", column)
    return ir.node("Mul", [looked_up, factor], name=f"{name}.scaled")


def _correction_node(graph: ir.Graph, name: str, weight_value: ir.Value, weight: CodebookWeight) -> ir.Node:
    """ScatterND that adds the corrections at their places, int64 [count, axes]."""
    corrections = weight.corrections
    assert corrections is not None
    places = np.stack(np.unravel_index(corrections.positions.numpy(), tuple(weight.indices.shape)), axis=1)
    positions = _initializer(graph, f"{name}.positions", places.astype(np.int64))
    values = _initializer(graph, f"{name}.corrections", corrections.values.detach().numpy())
    return ir.node("ScatterND", [weight_value, positions, values], {"reduction": "add"}, name=f"{name}.corrected")


def _initializer(graph: ir.Graph, name: str, array: np.ndarray[Any, Any]) -> ir.Value:
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        const_value=ir.tensor(np.ascontiguousarray(array), name=name),
    )
    graph.register_initializer(value)
    return value
