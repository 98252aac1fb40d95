"""Reads an ONNX file that anyone may have written: bounded, and from the model's own folder only.

A file can name external data anywhere on the machine, claim sizes it does not have, or be no ONNX at all. Each of
these is a ModelError here, before any other code sees the model.
"""

import os
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import google.protobuf.message
import onnx
import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.external_data import PARTS_OF_A_BYTE, byte_count, locate
from qcompile.file_tensor import FilePart, file_tensor, open_regular
from qcompile.model_checker import check_model
from qcompile.normalizing import take_constants_from_inputs, use_short_domain
from qcompile.proto_tensors import all_tensors
from qcompile.raw_data import cut_raw_data
from qcompile.supported import check_supported, check_text

MAX_BYTES = 2**31 - 1  # of one file: protobuf itself reads no more
MAX_EXTERNAL_BYTES = 2**31 - 1  # of all external data that is read into one model: it is one file then
LARGE = 1 << 20  # bytes of a tensor that stays in its file


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A model without the numbers of its large constants, which have shape and type but no data in ``proto``.

    ``large`` has them by name.
    """

    proto: onnx.ModelProto
    large: Mapping[str, ir.LazyTensor]


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
    model = _parsed(path, read_bounded(path))
    _resolve_all(path, model, {})
    _check(path, model)
    return model


def load_graph(path: str | pathlib.Path) -> ir.Model:
    """The model in the file ``path`` as passes take it, accepted by ONNX's checker; large constants stay in their file.

    They may be of any size together, and are mapped while they are looked at: neither that file nor the one of
    external data may change as long as the model is used. Raises ModelError as ``load_model``.
    """
    skeleton = load_skeleton(path)
    model = deserialize(skeleton.proto)
    for name, tensor in skeleton.large.items():
        model.graph.initializers[name].const_value = tensor
    return model


def load_skeleton(path: str | pathlib.Path) -> Skeleton:
    """The model in the file ``path`` without its large constants, otherwise as ``load_model``.

    Large are initializers of ``LARGE`` bytes and more, in the file or outside, of types of whole bytes.
    """
    path = pathlib.Path(path)
    data, parts = _read_without_large(path)
    model = _parsed(path, data)
    large = _take_large(path, model, parts)
    _resolve_all(path, model, large)
    with _hollow(model, large):
        _check(path, model)
    return Skeleton(model, large)


def stored_bytes(path: str | pathlib.Path) -> int:
    """How many bytes the model in the file ``path`` has on disk, with external data. Raises as ``load_skeleton``."""
    path = pathlib.Path(path)
    data, _ = _read_without_large(path)
    places = (locate(path, tensor) for tensor in all_tensors(_parsed(path, data)))
    outside = {(place.path, place.offset): place.length for place in places if place is not None}
    return path.stat().st_size + sum(outside.values())


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
    with open_regular(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if length is None:
            _check_file_size(path, size)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            file.seek(min(offset, size))
            return file.read(MAX_BYTES if length is None else min(length, size))


def _check_file_size(path: pathlib.Path, size: int) -> None:
    if size > MAX_BYTES:
        raise ModelError(
            f"{path}: {size} bytes, at most {MAX_BYTES} are read. Save its weights as external data: a file beside it."
        )


def _read_without_large(path: pathlib.Path) -> tuple[bytes, dict[int, FilePart]]:
    """The model in ``path`` without large raw data, and where that is, by the place of its initializer."""
    whole = FilePart.whole(path)
    _check_file_size(path, whole.length)
    if not whole.length:
        return b"", {}
    mapped, _ = whole.map()
    with mapped:
        try:
            data, cuts = cut_raw_data(mapped, LARGE)
        except ValueError:  # parsing it says what is wrong
            return mapped[:], {}
    return data, {cut.index: replace(whole, offset=cut.offset, length=cut.length) for cut in cuts}


def _parsed(path: pathlib.Path, data: bytes) -> onnx.ModelProto:
    """The model that ``data``, of the file ``path``, is. Raises ModelError if it is none, or one that no pass takes."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except google.protobuf.message.DecodeError as error:
        raise ModelError(f"{path}: not an ONNX model, or cut short: {error}") from error
    if not model.HasField("graph") or not model.opset_import:
        raise ModelError(f"{path}: not an ONNX model: there is no graph in it")
    check_text(path, model)
    use_short_domain(model)
    check_supported(str(path), model)
    return model


def _check(path: pathlib.Path, model: onnx.ModelProto) -> None:
    try:
        check_model(model)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    take_constants_from_inputs(model)


def _take_large(path: pathlib.Path, model: onnx.ModelProto, parts: Mapping[int, FilePart]) -> dict[str, ir.LazyTensor]:
    """Takes the large initializers out of ``model``: their data is in ``parts`` of the file, or outside."""
    found = {}
    for index, tensor in enumerate(model.graph.initializer):
        part = _part_outside(path, tensor) or parts.get(index)
        if part is None:
            continue
        _check_bytes(path, tensor, part.length)
        if onnx.TensorProto.DataType.Name(tensor.data_type) in PARTS_OF_A_BYTE:
            tensor.raw_data = part.read()
        else:
            dtype, shape = ir.DataType(tensor.data_type), ir.Shape(tensor.dims)
            found[tensor.name] = file_tensor(tensor.name, part, dtype, shape, tensor.doc_string)
    return found


def _part_outside(path: pathlib.Path, tensor: onnx.TensorProto) -> FilePart | None:
    """Where the data of ``tensor`` is outside the model, if it is there and large; ``tensor`` forgets it then."""
    location = locate(path, tensor)
    if location is None or location.length < LARGE:
        return None
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT
    return FilePart.of(location.where, location.path, location.offset, location.length)


@contextmanager
def _hollow(model: onnx.ModelProto, large: Mapping[str, ir.LazyTensor]) -> Iterator[None]:
    """Makes the ``large`` tensors of ``model`` ones of no elements: the checker wants as many numbers as elements."""
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in large]
    for tensor in tensors:
        tensor.dims[:] = [0]
    try:
        yield
    finally:
        for tensor in tensors:
            tensor.dims[:] = large[tensor.name].shape.numpy()


def _resolve_all(path: pathlib.Path, model: onnx.ModelProto, large: Mapping[str, ir.LazyTensor]) -> None:
    """Reads all external data but that of the ``large`` initializers into ``model``, and checks the sizes."""
    budget = MAX_EXTERNAL_BYTES
    left_out = {id(tensor) for tensor in model.graph.initializer if tensor.name in large}
    for tensor in list(all_tensors(model)):
        if id(tensor) not in left_out:
            budget -= _resolve(path, tensor, budget)
            if tensor.HasField("raw_data"):  # the checker counts the elements of the typed fields
                _check_bytes(path, tensor, len(tensor.raw_data))


def _resolve(path: pathlib.Path, tensor: onnx.TensorProto, budget: int) -> int:
    """Reads the external data of ``tensor`` into it; the bytes that were read."""
    location = locate(path, tensor)
    if location is None:
        return 0
    where, length = location.where, location.length
    if length > budget:
        raise ModelError(f"{where} has {length} bytes, wanted at most {budget} more: all are read into memory")
    data = read_bounded(location.path, location.offset, length)
    if len(data) != length:
        raise ModelError(f"{where} ends after {len(data)} of {length} bytes. Was {location.path.name} cut?")
    tensor.raw_data = data
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT
    return length


def _check_bytes(path: pathlib.Path, tensor: onnx.TensorProto, found: int) -> None:
    """Raises ModelError unless ``found`` bytes are as many as the shape and type of ``tensor`` say."""
    where = f"{path}: tensor {tensor.name}"
    wanted = byte_count(where, tensor)
    if found != wanted:
        raise ModelError(f"{where} {list(tensor.dims)} has {found} bytes, wanted {wanted}. Was it cut?")
