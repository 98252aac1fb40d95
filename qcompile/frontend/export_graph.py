"""What exporters share: a network traced to ONNX, its weights hidden from the optimizer, what takes their place."""

import copy
import json
import logging
import pathlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common
import onnxscript.optimizer
import torch

from qcompile.errors import QCompileError
from qcompile.files import write_atomically

OPSET, IR_VERSION = 20, 9  # the newest that onnxruntime 1.17 runs
PLAN_KEY = "qcompile.plan"

Translations = Mapping[Callable[..., Any], Callable[..., Any]]  # of torch's operators, to what onnxscript writes


def trace(
    network: torch.nn.Module,
    example_inputs: tuple[torch.Tensor, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
    translations: Translations | None = None,
) -> ir.Model:
    """The network in inference mode as an unoptimized graph; parameters are initializers under their own names.

    Axis 0 of each of ``example_inputs`` is the batch and stays free. Raises QCompileError if torch gives no program.
    """
    batch = torch.export.Dim("batch")
    return to_graph(
        copy.deepcopy(network).eval(),
        example_inputs,
        input_names=list(input_names),
        output_names=list(output_names),
        dynamic_shapes=tuple({0: batch} for _ in example_inputs),
        custom_translation_table=None if translations is None else dict(translations),
    )


def to_graph(
    network: torch.nn.Module | torch.export.ExportedProgram, example_inputs: tuple[Any, ...], **settings: Any
) -> ir.Model:
    """What torch's exporter makes of ``network``, unoptimized; ``settings`` are the exporter's.

    Raises QCompileError if torch gives no program, and what torch raises.
    """
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)  # "no torchvision"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, example_inputs, dynamo=True, optimize=False, verbose=False, opset_version=OPSET, **settings
        )
    if program is None:
        raise QCompileError("export: torch returned no program")
    return program.model


def optimize_around(model: ir.Model, names: Iterable[str]) -> None:
    """Optimizes ``model`` in place; the parameters ``names`` are inputs of the graph from now on, of unknown value.

    torch's exporter runs an optimizer that folds batch normalization into weights and lookups into floats. A folded
    weight has lost its codebook: the optimizer must know nothing about it. Raises QCompileError if the graph reads no
    parameter of a name.
    """
    _hide(model.graph, names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnxscript.optimizer.optimize(model)


def reveal(graph: ir.Graph, name: str, nodes: Sequence[ir.Node]) -> None:
    """Computes the hidden parameter ``name`` by ``nodes``, of which the last gives it."""
    hidden = next(value for value in graph.inputs if value.name == name)
    value = nodes[-1].outputs[0]
    value.name, value.shape, value.type = name, hidden.shape, hidden.type
    hidden.replace_all_uses_with(value)
    graph.inputs.remove(hidden)
    graph.insert_before(graph[0], nodes)


def add_initializer(graph: ir.Graph, name: str, array: np.ndarray[Any, Any]) -> ir.Value:
    """A new initializer of ``graph``."""
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        const_value=ir.tensor(np.asarray(array, order="C"), name=name),
    )
    graph.register_initializer(value)
    return value


def write_model(model: ir.Model, path: str | pathlib.Path, plan: Mapping[str, Any] | None) -> None:
    """Writes ``model`` with ``plan`` inside, whole or not at all; without the paths of this machine.

    torch notes for each node where it was written, so that another machine would write another file.
    """
    onnx_ir.passes.common.ClearMetadataAndDocStringPass()(model)
    model.ir_version = IR_VERSION
    if plan is not None:
        model.metadata_props[PLAN_KEY] = json.dumps(plan, separators=(",", ":"))
    write_atomically(path, ir.to_proto(model).SerializeToString())


def _hide(graph: ir.Graph, names: Iterable[str]) -> None:
    """Turns the initializers ``names`` into graph inputs."""
    for name in names:
        if name not in graph.initializers:
            raise QCompileError(
                f"export: parameter {name} is not read under its own name (is it tied to another, or unused?); "
                f"the graph reads {', '.join(sorted(graph.initializers))}"
            )
        value = graph.initializers.pop(name)
        value.const_value = None
        graph.inputs.append(value)
