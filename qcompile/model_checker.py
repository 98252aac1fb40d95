"""ONNX's checker, without what it asks for beyond the standard."""

import contextlib
from collections.abc import Iterator

import onnx
import onnx.checker

from qcompile.errors import ModelError


def check_model(model: onnx.ModelProto) -> None:
    """Lets ONNX's checker look at ``model``, which is the same afterwards; the shapes of values may be missing.

    The standard says that a value without a shape has one of any rank, runtimes take it so, and converters write such
    outputs; the checker alone refuses them.

    Raises ModelError, with what the checker says in one line, if it refuses the model.
    """
    with _with_shapes(model):
        try:
            onnx.checker.check_model(model)
        except (onnx.checker.ValidationError, ValueError) as error:
            raise ModelError(f"the ONNX checker refuses it: {' '.join(str(error).split())}") from error


@contextlib.contextmanager
def _with_shapes(model: onnx.ModelProto) -> Iterator[None]:
    """Gives each tensor of the graphs that has none a shape, and takes it away again; a copy would cost its memory."""
    missing = [kind for kind in _tensor_types(model.graph) if not kind.HasField("shape")]
    for kind in missing:
        kind.shape.SetInParent()
    try:
        yield
    finally:
        for kind in missing:
            kind.ClearField("shape")


def _tensor_types(graph: onnx.GraphProto) -> Iterator[onnx.TypeProto.Tensor]:
    """The types of what ``graph`` and its subgraphs describe, tensors only."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.HasField("tensor_type"):
            yield value.type.tensor_type
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _tensor_types(inner)
