"""Reads an ONNX file that anyone may have written: bounded, and from the model's own folder only.

A file can name external data anywhere on the machine, claim sizes it does not have, or be no ONNX at all. Each of
these is a ModelError here, before any other code sees the model.
"""

import math
import os
import pathlib
import stat
from collections.abc import Iterator

import google.protobuf.message
import onnx
import onnx.defs
import onnx.helper
import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.model_checker import check_model
from qcompile.normalizing import all_nodes, take_constants_from_inputs, use_short_domain

MAX_BYTES = 2**31 - 1  # of one file: protobuf itself reads no more
MAX_EXTERNAL_BYTES = 2**31 - 1  # of all external data together: the result is one file
PARTS_OF_A_BYTE = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}  # bits of an element
EXTERNAL_KEYS = {"location", "offset", "length", "checksum"}


def fixed_batch(model: onnx.ModelProto) -> int | None:
    """The size of the first axis of the model's inputs; None where it is free."""
    stored = {tensor.name for tensor in model.graph.initializer}
    shapes = [value.type.tensor_type.shape.dim for value in model.graph.input if value.name not in stored]
    return max((shape[0].dim_value for shape in shapes if shape), default=0) or None


def load_model(path: str | pathlib.Path) -> onnx.ModelProto:
    """The model in the file ``path``, external data included, accepted by ONNX's checker.

    Raises ModelError if it is no ONNX model, damaged, too large, or has data outside its own folder.
    """
    path = pathlib.Path(path)
    data = read_bounded(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except google.protobuf.message.DecodeError as error:
        raise ModelError(f"{path}: not an ONNX model, or cut short: {error}") from error
    if not model.HasField("graph") or not model.opset_import:
        raise ModelError(f"{path}: not an ONNX model: there is no graph in it")
    _check_text(path, model)
    use_short_domain(model)
    check_supported(str(path), model)
    budget = MAX_EXTERNAL_BYTES
    for tensor in list(_tensors(model)):
        budget -= _resolve(path, tensor, budget)
        _check_size(path, tensor)
    try:
        check_model(model)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    take_constants_from_inputs(model)
    return model


def deserialize(proto: onnx.ModelProto) -> ir.Model:
    """``proto`` as passes take it. Raises ModelError if that cannot be."""
    try:
        return ir.serde.deserialize_model(proto)
    except (ir.serde.SerdeError, ValueError, TypeError) as error:
        raise ModelError(f"the model cannot be read: {error}") from error


def read_bounded(path: pathlib.Path, offset: int = 0, length: int | None = None) -> bytes:
    """``length`` bytes, or all, of the regular file ``path`` from ``offset`` on: fewer where it ends before.

    Raises ModelError if it cannot be read, is a pipe or device, or all of it would be more than ``MAX_BYTES``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not make us wait for its writer
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)  # of what was opened: the name may mean something else by now
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(f"{path}: not a regular file")
        if length is None and found.st_size > MAX_BYTES:
            raise ModelError(f"{path}: {found.st_size} bytes, at most {MAX_BYTES} are read")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            file.seek(min(offset, found.st_size))
            return file.read(MAX_BYTES if length is None else min(length, found.st_size))
    finally:
        os.close(descriptor)


def _check_text(path: pathlib.Path, message: google.protobuf.message.Message) -> None:
    """Raises ModelError where a name is no text: protobuf hands it out as bytes, which nothing else expects."""
    for field, content in message.ListFields():
        if field.cpp_type == field.CPPTYPE_MESSAGE:
            for part in [content] if isinstance(content, google.protobuf.message.Message) else content:
                _check_text(path, part)
        elif field.type == field.TYPE_STRING:
            for text in [content] if isinstance(content, (str, bytes)) else content:
                if not isinstance(text, str):
                    raise ModelError(f"{path}: {field.name} {text[:40]!r} is no UTF-8. Was the file damaged?")


def check_supported(where: str, model: onnx.ModelProto) -> None:
    """Raises ModelError for what the passes would lose without a word."""
    if model.graph.sparse_initializer:
        raise ModelError(f"{where}: sparse initializers are not supported. Export it again with dense ones.")
    if model.training_info:
        raise ModelError(f"{where}: it holds a training graph. Export it again for inference.")
    if not model.graph.output:
        raise ModelError(f"{where}: the graph has no outputs: it computes nothing. Export it again with its outputs.")
    for node in all_nodes(model.graph.node):
        _check_node(where, node)
    _check_opset(where, [opset.version for opset in model.opset_import if opset.domain == ""])


def _check_node(where: str, node: onnx.NodeProto) -> None:
    """Raises ModelError for what ONNX's checker lets pass and nothing can run."""
    name = f"{where}: {node.name or node.op_type}"
    if any(attribute.ref_attr_name for attribute in node.attribute):
        raise ModelError(f"{name}: an attribute refers to one of a function, but the node is in none")
    if node.op_type == "Constant" and not node.domain:
        if len(node.attribute) != 1:
            raise ModelError(f"{name}: a Constant with {len(node.attribute)} values, wanted one")
        if node.attribute[0].HasField("sparse_tensor"):
            raise ModelError(f"{name}: a sparse constant is not supported. Export it again with a dense one.")


def _check_opset(where: str, versions: list[int]) -> None:
    latest = onnx.defs.onnx_opset_version()
    if len(set(versions)) > 1:
        raise ModelError(f"{where}: it imports the standard operators of opsets {versions} at once: name one")
    if versions and not 1 <= versions[0] <= latest:
        raise ModelError(
            f"{where}: its opset is {versions[0]}, known are 1 to {latest}. Export it again with one of these."
        )


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of ``model``: of its graph, of subgraphs and of functions."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _node_tensors(node)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    """The tensors in the attributes of ``node``; protobuf limits how deep subgraphs nest."""
    for attribute in node.attribute:
        yield from attribute.tensors
        for sparse in attribute.sparse_tensors:
            yield from (sparse.values, sparse.indices)
        for graph in attribute.graphs:
            yield from _graph_tensors(graph)
        if attribute.HasField("t"):
            yield attribute.t
        if attribute.HasField("sparse_tensor"):
            yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        if attribute.HasField("g"):
            yield from _graph_tensors(attribute.g)


def _resolve(path: pathlib.Path, tensor: onnx.TensorProto, budget: int) -> int:
    """Reads the external data of ``tensor`` into it; the bytes that were read."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        if tensor.external_data:
            raise ModelError(f"{path}: tensor {tensor.name} names external data but is not external")
        return 0
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if unknown := set(entries) - EXTERNAL_KEYS:
        raise ModelError(f"{path}: tensor {tensor.name} has external data with unknown keys {sorted(unknown)}")
    where = f"{path}: external data of tensor {tensor.name}"
    target = _contained(where, path, entries.get("location", ""))
    offset, wanted = _number(where, entries.get("offset", "0")), _byte_count(where, tensor)
    length = _number(where, entries.get("length", str(wanted)))
    if length != wanted or length > budget:
        raise ModelError(f"{where} has {length} bytes, wanted {wanted} and at most {budget}")
    data = read_bounded(target, offset, length)
    if len(data) != length:
        raise ModelError(f"{where} ends after {len(data)} of {length} bytes. Was {target.name} cut?")
    tensor.raw_data = data
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT
    return length


def _contained(where: str, model_path: pathlib.Path, location: str) -> pathlib.Path:
    """The file ``location`` names, links resolved, if it is inside the folder of the model."""
    folder = model_path.resolve().parent
    if not location or "\0" in location or "\\" in location or pathlib.PurePosixPath(location).is_absolute():
        raise ModelError(f"{where}: {location!r} is no path relative to the model")
    try:
        target = (folder / location).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{where}: {location!r} cannot be found") from error
    if not target.is_relative_to(folder):
        raise ModelError(f"{where}: {location!r} is outside the model's folder")
    return target


def _number(where: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(f"{where}: offset or length is {text[:40]!r}")
    return int(text)


def _byte_count(where: str, tensor: onnx.TensorProto) -> int:
    """The bytes that the elements of ``tensor`` take as raw data."""
    if tensor.data_type in (onnx.TensorProto.STRING, onnx.TensorProto.UNDEFINED) or min(tensor.dims, default=0) < 0:
        raise ModelError(f"{where}: its type or shape {list(tensor.dims)} cannot be external")
    try:
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
    except ValueError as error:
        raise ModelError(f"{where}: there is no element type {tensor.data_type}") from error
    bits = PARTS_OF_A_BYTE.get(name, 0)
    if not bits:
        bits = 8 * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    elements: int = math.prod(tensor.dims)
    return -(-elements * bits // 8)


def _check_size(path: pathlib.Path, tensor: onnx.TensorProto) -> None:
    """Raises ModelError unless ``tensor`` holds as many bytes as its shape and type say."""
    if not tensor.HasField("raw_data"):
        return  # the checker counts the elements of the typed fields
    where = f"{path}: tensor {tensor.name}"
    wanted = _byte_count(where, tensor)
    if len(tensor.raw_data) != wanted:
        raise ModelError(f"{where} {list(tensor.dims)} has {len(tensor.raw_data)} bytes, wanted {wanted}. Was it cut?")
