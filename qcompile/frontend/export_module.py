"""Writes any module, or program of torch.export, as a float ONNX file that compiles well."""

import copy
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import onnx_ir as ir
import torch

from qcompile.errors import QCompileError
from qcompile.frontend.export_graph import optimize_around, to_graph, write_model
from qcompile.frontend.folded_names import name_computed_weights, name_layers

Examples = tuple[Any, ...]
TRAINING = {"aten.dropout.default": 2, "aten.batch_norm.default": 5}  # which argument says that it is in training


def export_module(
    module: torch.nn.Module,
    example_inputs: torch.Tensor | Examples,
    path: str | pathlib.Path,
    *,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
) -> None:
    """Writes ``module``, in inference mode, to ``path`` as float ONNX of standard operators.

    Initializers have the names of parameters; a parameter that modules share is there once for each. Axis 0 of all of
    ``example_inputs`` is the batch and stays free, if the module allows that; else each size that can be free is.
    Inputs are called as in ``forward``, or as ``input_names`` says. The module itself is not changed.

    Raises QCompileError where torch cannot export it.
    """
    examples = (example_inputs,) if isinstance(example_inputs, torch.Tensor) else tuple(example_inputs)
    names = {"input_names": list(input_names) or None, "output_names": list(output_names) or None}
    _write(_trace(_prepared(module), examples, names), path)


def export_program(program: torch.export.ExportedProgram, path: str | pathlib.Path) -> None:
    """Writes ``program`` to ``path`` as float ONNX of standard operators; sizes are as free as it was exported.

    Raises QCompileError where torch cannot convert it, or it was exported in training mode.
    """
    for node in program.graph.nodes:
        place = TRAINING.get(str(node.target), 0)
        if place and len(node.args) > place and node.args[place] is True:
            raise QCompileError(
                f"the program was exported in training mode ({node.name}): call eval() of the module, then "
                "torch.export.export again"
            )
    try:
        model = to_graph(program, ())
    except RuntimeError as error:
        raise QCompileError(f"torch cannot convert the program to ONNX: {_first_line(error)}") from error
    _write(model, path)


def _write(model: ir.Model, path: str | pathlib.Path) -> None:
    name_computed_weights(model.graph)
    optimize_around(model, ())
    name_layers(model.graph)
    write_model(model, path, None)


def _prepared(module: torch.nn.Module) -> torch.nn.Module:
    """A copy in inference mode that shares no parameter with itself: each module's weight is its own."""
    found = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
    seen = set[torch.nn.Parameter]()
    for name, parameter in list(found.named_parameters(remove_duplicate=False)):
        owner, _, last = name.rpartition(".")
        if parameter in seen:
            setattr(found.get_submodule(owner), last, torch.nn.Parameter(parameter.clone(), requires_grad=False))
        seen.add(parameter)
    return found


def _trace(module: torch.nn.Module, examples: Examples, names: dict[str, list[str] | None]) -> ir.Model:
    """The graph with a free batch, or, where the module does not allow that, with what torch finds free."""
    failures = []
    for inputs, axis in ((_of_two(examples), torch.export.Dim("batch")), (examples, torch.export.Dim.AUTO)):
        shapes = torch.utils._pytree.tree_map(lambda leaf, axis=axis: _free(leaf, axis), inputs)
        try:
            return to_graph(module, inputs, dynamic_shapes=shapes, **names)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            failures.append(error)
    raise QCompileError(
        f"torch cannot export {type(module).__name__}: {_first_line(failures[-1])}. Do the example inputs fit? "
        "torch.export.export(module, example_inputs) tells more"
    ) from failures[-1]


def _free(leaf: object, axis: Any) -> dict[int, Any] | None:
    return {0: axis} if isinstance(leaf, torch.Tensor) and leaf.dim() else None


def _of_two(examples: Examples) -> Examples:
    """``examples`` of batches of two where they are of one: torch takes a size of one for a constant."""
    tensors = list(_tensors(examples))
    if not tensors or any(len(tensor) != 1 for tensor in tensors):
        return examples
    doubled: Examples = torch.utils._pytree.tree_map(
        lambda leaf: torch.cat([leaf, leaf]) if isinstance(leaf, torch.Tensor) and leaf.dim() else leaf, examples
    )
    return doubled


def _tensors(examples: Examples) -> Iterator[torch.Tensor]:
    for leaf in torch.utils._pytree.tree_leaves(examples):
        if isinstance(leaf, torch.Tensor) and leaf.dim():
            yield leaf


def _first_line(error: BaseException) -> str:
    """What is behind ``error``, in a line: torch's own begins with advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
