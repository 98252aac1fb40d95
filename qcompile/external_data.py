"""Where an ONNX file keeps the data of a tensor outside itself: in the model's own folder only, of the right size."""

import math
import pathlib
from dataclasses import dataclass

import onnx
import onnx.helper

from qcompile.errors import ModelError

PARTS_OF_A_BYTE = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}  # bits of an element
EXTERNAL_KEYS = {"location", "offset", "length", "checksum"}


@dataclass(frozen=True)
class Location:
    """``length`` bytes of ``path`` from ``offset`` on; ``where`` names the tensor in messages."""

    where: str
    path: pathlib.Path
    offset: int
    length: int


def locate(path: pathlib.Path, tensor: onnx.TensorProto) -> Location | None:
    """Where the data of ``tensor``, of the model in ``path``, is outside the model; None where it is in it.

    Raises ModelError if that is not a file inside the folder of the model, links resolved, or has not as many bytes
    as the shape and type say. Nothing is opened.
    """
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        if tensor.external_data:
            raise ModelError(f"{path}: tensor {tensor.name} names external data but is not external")
        return None
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if unknown := set(entries) - EXTERNAL_KEYS:
        raise ModelError(f"{path}: tensor {tensor.name} has external data with unknown keys {sorted(unknown)}")
    where = f"{path}: external data of tensor {tensor.name}"
    target = _contained(where, path, entries.get("location", ""))
    offset, wanted = _number(where, entries.get("offset", "0")), byte_count(where, tensor)
    length = _number(where, entries.get("length", str(wanted)))
    if length != wanted:
        raise ModelError(f"{where} has {length} bytes, wanted {wanted}")
    return Location(where, target, offset, length)


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


def byte_count(where: str, tensor: onnx.TensorProto) -> int:
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
