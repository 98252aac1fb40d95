"""Markup that escapes by itself, and plain drawings of numbers as inline SVG: no script, no file beside them."""

from qcompile.drawing.bars import draw_bars
from qcompile.drawing.frame import Frame, figure
from qcompile.drawing.histogram import draw_histogram
from qcompile.drawing.lines import Points, draw_lines
from qcompile.drawing.markup import Child, Markup, document, element, joined, shown_name, unescaped
from qcompile.drawing.scatter import Dot, draw_scatter
from qcompile.drawing.style import drawing_style

__all__ = [
    "Child",
    "Dot",
    "Frame",
    "Markup",
    "Points",
    "document",
    "draw_bars",
    "draw_histogram",
    "draw_lines",
    "draw_scatter",
    "drawing_style",
    "element",
    "figure",
    "joined",
    "shown_name",
    "unescaped",
]
