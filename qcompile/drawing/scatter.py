"""Points in a plane: a trade between two costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from qcompile.drawing.frame import SERIES, TOP, WIDTH, Frame, figure, range_of
from qcompile.drawing.markup import Markup, element

MARGIN = 0.06  # of the range, so that no point lies on an edge
MOST_LABELS = 12
LONGEST_LABEL = 28
LINE, NEAR = 11.0, 120.0  # the height of a label, and how far away another one may touch it


@dataclass(frozen=True)
class Dot:
    """A point. ``beaten``: another is better in both; ``ringed``: the one that was chosen. ``label`` stands by it."""

    x: float
    y: float
    told: str
    label: str = ""
    color: int = 0
    beaten: bool = False
    ringed: bool = False


def draw_scatter(
    title: str, description: str, dots: Sequence[Dot], *, x_label: str, note: str = "", joined: bool = False
) -> Markup:
    """The ``dots``, which say ``told`` when pointed at. With ``joined`` a line runs through those that none beats."""
    frame = Frame(_wider([dot.x for dot in dots]), _wider([dot.y for dot in dots]))
    parts = frame.axes(x_label)
    if joined:
        best = sorted((dot.x, dot.y) for dot in dots if not dot.beaten)
        text = " ".join("{:.1f},{:.1f}".format(*frame.place(*point)) for point in best)
        parts.append(element("polyline", {"class": "front", "points": text}))
    labelled = len(dots) <= MOST_LABELS
    lines: list[tuple[float, float]] = []  # of labels so far
    for dot in sorted(dots, key=lambda dot: dot.ringed):
        parts += _drawn(dot, frame)
        if dot.label and (labelled or dot.ringed):
            parts.append(_label(dot, frame, lines))
    return figure(title, description, parts, note=note)


def _drawn(dot: Dot, frame: Frame) -> list[Markup]:
    x, y = frame.place(dot.x, dot.y)
    kind = "beaten" if dot.beaten else f"fill-{dot.color % SERIES}"
    parts = [element("circle", {"class": kind, "cx": x, "cy": y, "r": 4.5}, element("title", {}, dot.told))]
    if dot.ringed:
        parts.append(element("circle", {"class": "ring", "cx": x, "cy": y, "r": 8}))
    return parts


def _label(dot: Dot, frame: Frame, lines: list[tuple[float, float]]) -> Markup:
    """The name beside a point, below those of neighbours that stand there already; adds its place to ``lines``."""
    x, y = frame.place(dot.x, dot.y)
    y = max(y + 4, TOP + 4.0)
    while any(abs(x - other_x) < NEAR and abs(y - other_y) < LINE for other_x, other_y in lines):
        y += LINE
    lines.append((x, y))
    right = x > WIDTH * 0.65
    at = {"x": x + (-11 if right else 11), "y": y, "text-anchor": "end" if right else "start"}
    label = dot.label if len(dot.label) <= LONGEST_LABEL else f"{dot.label[: LONGEST_LABEL - 3]}..."
    return element("text", at | ({"class": "strong"} if dot.ringed else {}), label)


def _wider(values: Sequence[float]) -> tuple[float, float]:
    low, high = range_of(values)
    margin = MARGIN * (high - low)
    return low - margin, high + margin
