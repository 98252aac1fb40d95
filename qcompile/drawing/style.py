"""The colours and lines of drawings, for light and dark pages."""

import importlib.resources


def drawing_style() -> str:
    """The style sheet that drawings need on their page."""
    return (importlib.resources.files("qcompile.drawing") / "drawing.css").read_text(encoding="utf-8")
