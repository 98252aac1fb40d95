"""Runs packed models: finds the kernel library and makes onnxruntime sessions with it."""

import dataclasses
import importlib.resources
import json
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import onnx
import onnxruntime
from onnx import helper

from qcompile.errors import QCompileError

LIBRARY_NAME = "libqcompile_ops.so"
LIBRARY_VARIABLE = "QCOMPILE_LIBRARY"
_DOMAIN = "qcompile"
_SPARSE = ("SparseMatMul", "SparseConv")  # of one kernel each
_WINOGRAD_X_BITS = 6  # of codes of x, at most
_POPCOUNT_X_BITS = 2  # the same
_POPCOUNT_CHANNELS = 16  # those of a group are a multiple of it
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
    """By operator, the kernel for 1 to 8 bits, or the only one; ``kernel_of`` tells that of one node."""
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
    fields = _ask(())
    return RuntimeInfo(
        version=fields["version"],
        isas=tuple(fields["isas"]),
        isa=fields["isa"],
        kernels={operator: tuple(names) for operator, names in fields["kernels"].items()},
        onnxruntime=onnxruntime.__version__,
    )


def kernel_of(node: onnx.NodeProto) -> str:
    """The kernel that this machine runs for ``node``, an operator of ours; for a product with a matrix, one row of x.

    It is "one or another" for a 3x3 convolution of codes of at most 6 bits, and for weights of one bit and codes of at
    most 2: which of them runs depends on the values of the weight and on the size of x.

    Raises QCompileError as ``runtime_info`` does, and where the attributes of ``node`` break a rule.
    """
    names = _names_of_kernels(node)
    if names:
        kernels = _ask(())["kernels"]
        return " or ".join(dict.fromkeys(kernels[name][0] for name in names))
    return str(_ask(node.attribute)["kernel"])


def _names_of_kernels(node: onnx.NodeProto) -> tuple[str, ...]:
    """What RuntimeInfo calls an operator whose kernel does not depend on the bits of its weight; () where it does."""
    if node.op_type in _SPARSE:
        return (node.op_type,)
    if not node.op_type.startswith(("IntegerMatMul", "IntegerConv")):
        return ()
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type.startswith("IntegerMatMul"):
        return ("IntegerMatMul popcount", "IntegerMatMul") if _has_few_bits(attributes) else ("IntegerMatMul",)
    if attributes.get("group", 1) > 1 and attributes["weight_shape"][1] == 1:
        return ("IntegerConv depthwise",)
    popcount = ("IntegerConv popcount",) if _may_be_popcount(attributes) else ()
    winograd = ("IntegerConv winograd",) if _may_be_winograd(attributes) else ()
    return (*popcount, *winograd, "IntegerConv")


def _has_few_bits(attributes: dict[str, Any]) -> bool:
    """Whether runtime/compute/integer_popcount.cc may count the bits of products."""
    x_bits = attributes.get("x_bits", 8)
    return (
        attributes["bits"] == 1 and x_bits <= _POPCOUNT_X_BITS and bool(attributes.get("x_zero_point", 0) < 2**x_bits)
    )


def _may_be_popcount(attributes: dict[str, Any]) -> bool:
    """The same of a convolution, with what runtime/compute/integer_planes.cc wants of its channels."""
    _, channels, *kernel = attributes["weight_shape"]
    meets_single_pixels = attributes.get("group", 1) == 1 and max(kernel) == 1 and not any(attributes.get("pads", ()))
    return _has_few_bits(attributes) and (channels % _POPCOUNT_CHANNELS == 0 or meets_single_pixels)


def _may_be_winograd(attributes: dict[str, Any]) -> bool:
    """The part of runtime/compute/integer_winograd.cc that depends on attributes alone."""
    x_bits = attributes.get("x_bits", 8)
    return (
        list(attributes["weight_shape"][2:]) == [3, 3]
        and attributes["weight_shape"][1] % 4 == 0
        and attributes.get("group", 1) == 1
        and all(size == 1 for name in ("strides", "dilations") for size in attributes.get(name, ()))
        and x_bits <= _WINOGRAD_X_BITS
        and attributes.get("x_zero_point", 0) < 2**x_bits
    )


def _ask(attributes: Iterable[onnx.AttributeProto]) -> dict[str, Any]:
    """The answer of the operator RuntimeInfo to a node with ``attributes``."""
    answer = session(_info_model(attributes), threads=1).run(None, {})[0]
    fields: dict[str, Any] = json.loads(bytes(answer))
    return fields


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


def _info_model(attributes: Iterable[onnx.AttributeProto]) -> bytes:
    """A model of the one node RuntimeInfo."""
    node = helper.make_node("RuntimeInfo", [], ["info"], name="runtime_info", domain=_DOMAIN)
    node.attribute.extend(attributes)
    output = helper.make_tensor_value_info("info", _UINT8, ["bytes"])
    graph = helper.make_graph([node], "runtime_info", [], [output])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(_DOMAIN, 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
