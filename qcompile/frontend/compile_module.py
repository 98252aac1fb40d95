"""A module, or a program of torch.export, into a packed file in one call."""

import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch

from qcompile.compile_result import CompileResult
from qcompile.compiler import compile_file
from qcompile.errors import QCompileError
from qcompile.float_weights import FloatWeights
from qcompile.frontend.export_module import Examples, export_module, export_program
from qcompile.integers import DynamicIntegers, Integers
from qcompile.layer_choice import LayerChoice


def compile_module(
    module: torch.nn.Module,
    example_inputs: torch.Tensor | Examples,
    target: str | pathlib.Path,
    *,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    functions: bool = True,
    integers: Integers | DynamicIntegers | None = None,
    bfloat16: bool = False,
    weights: FloatWeights | None = None,
    layers: LayerChoice | None = None,
) -> CompileResult:
    """Compiles ``module``, in inference mode, into the packed file ``target``; what each layer became.

    The first arguments are those of ``export_module``, the options those of ``compile_file``; the module itself is not
    changed. Samples in ``integers`` are by the names of the arguments of ``forward``, or ``input_names``.

    Raises QCompileError where torch cannot export the module, and as ``compile_file``.
    """

    def export(path: pathlib.Path) -> None:
        export_module(module, example_inputs, path, input_names=input_names, output_names=output_names)

    options = {"functions": functions, "integers": integers, "bfloat16": bfloat16, "weights": weights, "layers": layers}
    return _compile(type(module).__name__, export, target, options)


def compile_program(
    program: torch.export.ExportedProgram,
    target: str | pathlib.Path,
    *,
    functions: bool = True,
    integers: Integers | DynamicIntegers | None = None,
    bfloat16: bool = False,
    weights: FloatWeights | None = None,
    layers: LayerChoice | None = None,
) -> CompileResult:
    """Compiles ``program``, of torch.export, into the packed file ``target``; what each layer became.

    Options as of ``compile_file``. Raises QCompileError where torch cannot convert the program, it was exported in
    training mode, and as ``compile_file``.
    """
    options = {"functions": functions, "integers": integers, "bfloat16": bfloat16, "weights": weights, "layers": layers}
    return _compile("the program", lambda path: export_program(program, path), target, options)


def _compile(
    name: str, export: Callable[[pathlib.Path], None], target: str | pathlib.Path, options: dict[str, Any]
) -> CompileResult:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "exported.onnx")
        export(path)
        try:
            return compile_file(path, target, **options)
        except QCompileError as error:  # a user knows no such file
            raise type(error)(str(error).replace(str(path), name)) from error
