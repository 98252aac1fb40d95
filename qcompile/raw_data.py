"""An ONNX file without the numbers of its large initializers: where they are in the file is told instead.

A file is a protobuf message (protobuf.dev/programming-guides/encoding): fields one after the other, each a number, a
wire type and a content. Parsing all of a file needs its size in memory twice; parsed without the numbers it is small.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9  # of ModelProto, GraphProto, TensorProto
PLAIN_FIELDS = {1, 2, 8, RAW_DATA, 12, 14}  # dims, data_type, name, raw_data, doc_string, data_location
VARINT, EIGHT_BYTES, CONTENT, FOUR_BYTES = 0, 1, 2, 5  # wire types
FIXED = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
MOST_VARINT_BYTES = 10


class Data(Protocol):
    """What bytes are, and a mapped file."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


@dataclass(frozen=True)
class Cut:
    """The raw data of the initializer at ``index`` of the graph: ``length`` bytes from ``offset`` on of the file."""

    index: int
    offset: int
    length: int


@dataclass(frozen=True)
class _Field:
    """Of a message: its number, where it begins, where its content does, and where both end."""

    number: int
    wire_type: int
    begin: int
    content: int
    end: int


def cut_raw_data(data: Data, least: int) -> tuple[bytes, tuple[Cut, ...]]:
    """The model in ``data`` without raw data of ``least`` bytes and more of its graph's initializers, and what was cut.

    Tensors that hold anything unusual are left whole. Raises ValueError where ``data`` is no protobuf message.
    """
    cuts: list[Cut] = []
    count = 0
    parts = []
    for field in _fields(data, 0, len(data)):
        if (field.number, field.wire_type) != (GRAPH, CONTENT):
            parts.append(data[field.begin : field.end])
            continue
        graph, count = _cut_graph(data, field, least, count, cuts)
        parts.append(_wrapped(GRAPH, graph))
    return b"".join(parts), tuple(cuts)


def _cut_graph(data: Data, graph: _Field, least: int, count: int, cuts: list[Cut]) -> tuple[bytes, int]:
    """The content of ``graph`` without raw data, ``count`` initializers being before it, and how many are then."""
    parts = []
    for field in _fields(data, graph.content, graph.end):
        if (field.number, field.wire_type) != (INITIALIZER, CONTENT):
            parts.append(data[field.begin : field.end])
            continue
        raw = _raw_data(data, field, least)
        if raw is None:
            parts.append(data[field.begin : field.end])
        else:
            cuts.append(Cut(count, raw.content, raw.end - raw.content))
            parts.append(_wrapped(INITIALIZER, data[field.content : raw.begin] + data[raw.end : field.end]))
        count += 1
    return b"".join(parts), count


def _raw_data(data: Data, tensor: _Field, least: int) -> _Field | None:
    """The raw data of ``tensor`` where there are ``least`` bytes of it, and no other data."""
    if tensor.end - tensor.content < least:
        return None
    fields = list(_fields(data, tensor.content, tensor.end))
    found = [field for field in fields if (field.number, field.wire_type) == (RAW_DATA, CONTENT)]
    if len(found) != 1 or not {field.number for field in fields} <= PLAIN_FIELDS:
        return None
    return found[0] if found[0].end - found[0].content >= least else None


def _fields(data: Data, begin: int, end: int) -> Iterator[_Field]:
    """The fields between ``begin`` and ``end``. Raises ValueError where they do not fill that."""
    while begin < end:
        tag, content = _varint(data, begin, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == CONTENT:
            length, content = _varint(data, content, end)
            after = content + length
        elif wire_type == VARINT:
            after = _varint(data, content, end)[1]
        elif wire_type in FIXED:
            after = content + FIXED[wire_type]
        else:
            raise ValueError(f"wire type {wire_type} at byte {begin}")
        if not number or after > end:
            raise ValueError(f"a field ends at byte {after}, its message at {end}")
        yield _Field(number, wire_type, begin, content, after)
        begin = after


def _varint(data: Data, begin: int, end: int) -> tuple[int, int]:
    """The number at ``begin``, seven bits a byte, and where it ends."""
    value = 0
    for place, byte in enumerate(data[begin : min(end, begin + MOST_VARINT_BYTES)]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, begin + place + 1
    raise ValueError(f"a number at byte {begin} has no end")


def _wrapped(number: int, content: bytes) -> bytes:
    """The field ``number`` with ``content``."""
    size, length = bytearray(), len(content)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | CONTENT, *size, length]) + content
