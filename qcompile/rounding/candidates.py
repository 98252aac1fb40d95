"""Which layers are rounded by what they give, how each reads its input, and how many of them in one run."""

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.passes._layer_names import layer_names
from qcompile.passes._match import LeftAloneError
from qcompile.passes._write_lookup import weight_rows
from qcompile.passes.fuse_codebook_conv import convolution_attributes
from qcompile.passes.round_weights import has_float_weight
from qcompile.rounding.collecting import Columns
from qcompile.rounding.columns import Convolution, Dense

MOST_COLUMNS = 8192  # of a layer: one matrix of moments has half a gigabyte
MOST_BYTES = 1 << 29  # of the moments that are summed in one run


@dataclass(frozen=True)
class Candidate:
    """A layer with a float weight, the tensor that it reads, and how; None, and ``reason``, where rounded plainly."""

    name: str
    node: ir.Node
    reads: str
    columns: Columns | None
    moment_bytes: int = 0
    reason: str = ""


def find_candidates(model: ir.Model) -> list[Candidate]:
    """The layers of ``model`` with a float weight, in the order of the graph, no two of one name."""
    nodes = [node for node in model.graph if has_float_weight(node)]
    return [_candidate(name, node) for name, node in zip(layer_names(nodes), nodes, strict=True)]


def _candidate(name: str, node: ir.Node) -> Candidate:
    x, rows = node.inputs[0], weight_rows(node)
    assert x is not None
    reads = str(x.name)
    try:
        columns = _columns(node, x, len(rows))
    except (LeftAloneError, ModelError) as error:
        return Candidate(name, node, reads, None, reason=str(error))
    group = columns.group if isinstance(columns, Convolution) else 1
    k = rows.shape[1]
    if k > MOST_COLUMNS:
        return Candidate(name, node, reads, None, reason=f"{k} columns, at most {MOST_COLUMNS} are corrected")
    return Candidate(name, node, reads, columns, 2 * group * k * k * 8)


def _columns(node: ir.Node, x: ir.Value, outputs: int) -> Columns:
    """How ``node`` reads ``x``; raises LeftAloneError or ModelError where that cannot be said."""
    if node.op_type != "Conv":
        return Dense()
    weight = node.inputs[1]
    assert weight is not None and weight.const_value is not None  # noqa: PT018 (one fact, for mypy)
    kernel = tuple(int(size) for size in weight.const_value.shape.numpy()[2:])
    given = convolution_attributes(node, x, kernel, outputs)
    strides, dilations, pads, group = (given[name] for name in ("strides", "dilations", "pads", "group"))
    assert isinstance(strides, tuple) and isinstance(dilations, tuple)  # noqa: PT018
    assert isinstance(pads, tuple) and isinstance(group, int)  # noqa: PT018
    return Convolution(kernel, strides, dilations, pads, group)


def in_parts(candidates: list[Candidate], runs: int) -> Iterator[list[Candidate]]:
    """``candidates`` in the order of the graph, in ``runs`` parts at most, or more where their moments need it."""
    most, part, held = -(-len(candidates) // runs), list[Candidate](), 0
    for candidate in candidates:
        if part and (len(part) == most or held + candidate.moment_bytes > MOST_BYTES):
            yield part
            part, held = [], 0
        part.append(candidate)
        held += candidate.moment_bytes
    if part:
        yield part
