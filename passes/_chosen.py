"""The mark of a layer that a user wants to stay float: in memory only, so that no file has it."""

import onnx_ir as ir

KEY = "qcompile.stays_float"


def keep_float(node: ir.Node, name: str, reason: str) -> None:
    """Marks ``node``, a layer called ``name``, and why; copies of the model have the mark too."""
    node.meta[KEY] = (name, reason)


def stays_float(node: ir.Node) -> bool:
    """Whether a user wants ``node`` to stay float."""
    return KEY in node.meta


def list_excluded(model: ir.Model) -> list[tuple[str, str]]:
    """The layers that are marked: name and reason, in the order of the graph."""
    return [node.meta[KEY] for node in model.graph if stays_float(node)]
