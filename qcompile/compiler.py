"""Compiles an exported model, standard operators and codebook lookups, into a packed one."""

import pathlib
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
import onnx_ir as ir

import qcompile
from qcompile.errors import ModelError, QCompileError
from qcompile.files import write_atomically
from qcompile.loading import check_supported, load_model
from qcompile.ops import DOMAIN, FORMAT_VERSION
from qcompile.passes import pipeline
from qcompile.passes._operands import CODEBOOK, GAPS, INDICES, VALUES, fused_nodes, operand, sparse_node
from qcompile.passes.left_alone import list_left_alone
from qcompile.text import printable

VERSION_KEY = "qcompile.version"
FORMAT_VERSION_KEY = "qcompile.format_version"

Model = TypeVar("Model", ir.Model, onnx.ModelProto)


@dataclass(frozen=True)
class CompiledLayer:
    """One packed layer: ``weight_bytes`` are those of its indices, codebooks and corrections in the file."""

    name: str
    operator: str
    weight_shape: tuple[int, ...]
    bits: int
    codebooks: int
    corrections: int
    weight_bytes: int


@dataclass(frozen=True)
class CompileResult:
    """What compiling did: packed layers, and the layers left alone with the reason, in the order of the graph."""

    layers: tuple[CompiledLayer, ...]
    left_alone: tuple[tuple[str, str], ...]
    source_bytes: int
    target_bytes: int

    def as_text(self) -> str:
        """A line for each layer, then the sizes of both files."""
        packed = [
            f"{printable(layer.name)}: {layer.operator} {'x'.join(map(str, layer.weight_shape))}, {layer.bits}-bit, "
            f"{layer.codebooks} codebook{'s' * (layer.codebooks > 1)}, {_corrections(layer)}{layer.weight_bytes} bytes"
            for layer in self.layers
        ]
        left = [f"{printable(name)}: left alone: {reason}" for name, reason in self.left_alone]
        return "\n".join([*packed, *left, f"{self.source_bytes} bytes -> {self.target_bytes} bytes"])


def compile_file(source: str | pathlib.Path, target: str | pathlib.Path, *, functions: bool = True) -> CompileResult:
    """Compiles the ONNX file ``source`` into the packed file ``target``, which appears whole or not at all.

    Without ``functions`` the file is smaller and runs only where our library is registered.

    Raises ModelError if ``source`` is no valid ONNX model, is compiled already, or has no codebook weight that can
    be packed; QCompileError if ``target`` cannot be written.
    """
    proto = load_model(source)
    try:
        model = _compile(_deserialize(proto), functions)
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from error
    data = ir.serde.serialize_model(model).SerializeToString()
    try:
        write_atomically(target, data)
    except OSError as error:
        raise QCompileError(f"{target}: cannot be written: {error.strerror}") from error
    layers = tuple(_describe(node) for node in fused_nodes(model))
    return CompileResult(layers, tuple(list_left_alone(model)), pathlib.Path(source).stat().st_size, len(data))


def compile_model(model: Model, *, functions: bool = True) -> Model:
    """A packed copy of ``model``, of the same kind; ``model`` itself is not changed.

    Without ``functions`` the result is smaller and runs only where our library is registered.

    Raises ModelError if it is compiled already or has no codebook weight that can be packed.
    """
    if isinstance(model, onnx.ModelProto):
        check_supported("model", model)
        return ir.serde.serialize_model(_compile(_deserialize(model), functions))
    return _compile(model.clone(), functions)


def _deserialize(proto: onnx.ModelProto) -> ir.Model:
    try:
        return ir.serde.deserialize_model(proto)
    except (ir.serde.SerdeError, ValueError, TypeError) as error:
        raise ModelError(f"the model cannot be read: {error}") from error


def _compile(model: ir.Model, functions: bool) -> ir.Model:
    """Runs the passes over ``model``, in place."""
    _check_not_compiled(model)
    before = _interface(model)
    for rewrite in pipeline(functions=functions):
        rewrite(model)
    if not fused_nodes(model):
        raise ModelError(_nothing_found(list_left_alone(model)))
    if _interface(model) != before:
        raise QCompileError(f"compiling changed inputs or outputs from {before} to {_interface(model)}: report this")
    model.metadata_props[VERSION_KEY] = qcompile.__version__
    model.metadata_props[FORMAT_VERSION_KEY] = str(FORMAT_VERSION)
    return model


def _check_not_compiled(model: ir.Model) -> None:
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    functions = (domain for domain, _, _ in model.functions)
    if DOMAIN in model.graph.opset_imports or DOMAIN in {*functions, *(node.domain for node in nodes)}:
        raise ModelError("the model is compiled already. Compile the exported model instead.")


def _nothing_found(left_alone: list[tuple[str, str]]) -> str:
    if left_alone:
        found = "; ".join(f"{name}: {reason}" for name, reason in left_alone)
        return f"no codebook weight of the model can be packed. {found}"
    return (
        "the model has no codebook weight. Looked for MatMul, Gemm or Conv whose weight is a lookup of constants: "
        "Gather(codebook [K], indices) or GatherElements(codebook [groups, K], indices, axis=1). "
        "Was the network compressed before export?"
    )


def _interface(model: ir.Model) -> list[str]:
    """Names, types and shapes of what the graph takes and gives."""
    return [str((value.name, value.type, value.shape)) for value in (*model.graph.inputs, *model.graph.outputs)]


def _corrections(layer: CompiledLayer) -> str:
    return f"{layer.corrections} correction{'s' * (layer.corrections > 1)}, " if layer.corrections else ""


def _describe(node: ir.Node) -> CompiledLayer:
    indices, codebook, sparse = operand(node, INDICES), operand(node, CODEBOOK), sparse_node(node)
    corrections = [] if sparse is None else [operand(sparse, GAPS), operand(sparse, VALUES)]
    return CompiledLayer(
        name=node.name or node.op_type,
        operator=node.op_type,
        weight_shape=tuple(node.attributes["weight_shape"].as_ints()),
        bits=node.attributes["bits"].as_int(),
        codebooks=codebook.shape[0],
        corrections=0 if sparse is None else int(np.count_nonzero(operand(sparse, VALUES))),
        weight_bytes=sum(array.nbytes for array in (indices, codebook, *corrections)),
    )
