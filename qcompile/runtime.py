"""Runs packed models: finds the kernel library and makes onnxruntime sessions with it."""

import dataclasses
import importlib.resources
import json
import os
import pathlib
from typing import Any

import onnxruntime
from onnx import helper

from qcompile.errors import QCompileError

LIBRARY_NAME = "libqcompile_ops.so"
LIBRARY_VARIABLE = "QCOMPILE_LIBRARY"
_DOMAIN = "qcompile"
_UINT8 = 2  # onnx.TensorProto.UINT8


@dataclasses.dataclass(frozen=True)
class RuntimeInfo:
    """What runs packed models on this machine."""

    version: str
    """Of the library."""
    isas: tuple[str, ...]
    """The instruction sets that this machine and the library both have, best first."""
    isa: str
    """The one in use: the best, or what QCOMPILE_FORCE_ISA names."""
    kernels: dict[str, tuple[str, ...]]
    """By operator, the kernel for 1 to 8 bits, or the only one; ``kernel_choice`` tells those of a model."""
    onnxruntime: str
    """The version of onnxruntime."""


def library_path() -> pathlib.Path:
    """The kernel library: the one inside the package, or what the environment's QCOMPILE_LIBRARY names.

    Raises QCompileError if it is not there.
    """
    override = os.environ.get(LIBRARY_VARIABLE)
    if override:
        path = pathlib.Path(override)
        remedy = f"unset {LIBRARY_VARIABLE}, or let it name the library"
    else:
        path = pathlib.Path(str(importlib.resources.files("qcompile") / "_lib" / LIBRARY_NAME))
        remedy = f"install qcompile (`make build`), or let {LIBRARY_VARIABLE} name the library"
    if not path.is_file():
        raise QCompileError(f"{path}: the kernel library is not there; {remedy}")
    return path


def has_library() -> bool:
    """Whether the kernel library is there."""
    try:
        library_path()
    except QCompileError:
        return False
    return True


def session(
    model: str | os.PathLike[str] | bytes,
    *,
    threads: int | None = None,
    library: bool = True,
    options: onnxruntime.SessionOptions | None = None,
    **session_arguments: Any,
) -> onnxruntime.InferenceSession:
    """A session on the CPU for the ONNX file ``model``, or for its bytes.

    ``threads`` is the number of threads of one operator, None as many as onnxruntime likes. Without
    ``library`` the operators of domain ``qcompile`` run as the function bodies in the file, on plain
    onnxruntime. ``options`` are changed; ``session_arguments`` go to onnxruntime.InferenceSession.

    Raises QCompileError if onnxruntime refuses the model; the message is that of the node that refused.
    """
    if options is None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it would log is raised as well
    if threads is not None:
        options.intra_op_num_threads = threads
    if library:
        _register(options)
    session_arguments.setdefault("providers", ["CPUExecutionProvider"])
    source = model if isinstance(model, bytes) else os.fspath(model)
    where = "model" if isinstance(model, bytes) else str(source)
    try:
        return onnxruntime.InferenceSession(source, options, **session_arguments)
    except Exception as error:
        # onnxruntime's exceptions have no base class of their own, only a module.
        if not _is_from_onnxruntime(error):
            raise
        raise QCompileError(f"{where}: {_message(error)}") from error


def runtime_info() -> RuntimeInfo:
    """What the library says of itself and of this machine.

    Raises QCompileError if the library is missing, or QCOMPILE_FORCE_ISA names an instruction set that it
    or this machine has not.
    """
    fields = json.loads(bytes(session(_info_model(), threads=1).run(None, {})[0]))
    return RuntimeInfo(
        version=fields["version"],
        isas=tuple(fields["isas"]),
        isa=fields["isa"],
        kernels={operator: tuple(names) for operator, names in fields["kernels"].items()},
        onnxruntime=onnxruntime.__version__,
    )


def _register(options: onnxruntime.SessionOptions) -> None:
    path = library_path()
    try:
        options.register_custom_ops_library(str(path))
    except Exception as error:
        if not _is_from_onnxruntime(error):
            raise
        raise QCompileError(f"{path}: onnxruntime cannot load it: {_message(error)}") from error


def _is_from_onnxruntime(error: Exception) -> bool:
    return type(error).__module__.startswith("onnxruntime")


def _message(error: Exception) -> str:
    """What onnxruntime said, without what it puts before it: ``[ONNXRuntimeError] : code : NAME : ``."""
    text = str(error)
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    return text.removeprefix("Exception during initialization: ").strip()


def _info_model() -> bytes:
    """A model of the one node RuntimeInfo."""
    node = helper.make_node("RuntimeInfo", [], ["info"], name="runtime_info", domain=_DOMAIN)
    output = helper.make_tensor_value_info("info", _UINT8, ["bytes"])
    graph = helper.make_graph([node], "runtime_info", [], [output])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(_DOMAIN, 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
