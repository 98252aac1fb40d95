"""What no pass can take: said before any of them sees the model."""

import pathlib

import google.protobuf.message
import onnx
import onnx.defs

from qcompile.errors import ModelError
from qcompile.normalizing import all_nodes


def check_text(path: pathlib.Path, message: google.protobuf.message.Message) -> None:
    """Raises ModelError where a name is no text: protobuf hands it out as bytes, which nothing else expects."""
    for field, content in message.ListFields():
        if field.cpp_type == field.CPPTYPE_MESSAGE:
            for part in [content] if isinstance(content, google.protobuf.message.Message) else content:
                check_text(path, part)
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
