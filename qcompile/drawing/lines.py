"""Lines over a common axis."""

import math
from collections.abc import Mapping, Sequence

from qcompile.drawing.frame import SERIES, Frame, figure, range_of, round_numbers, with_legend
from qcompile.drawing.markup import Markup, element

EXACT = 1e-6  # a tick is a few roundings beside its number
MOST_DOTS = 80  # of a line: more run into each other
Points = Sequence[tuple[float, float]]


def draw_lines(
    title: str,
    description: str,
    lines: Mapping[str, Points],
    *,
    x_label: str,
    note: str = "",
    logarithmic: bool = False,
    dots: Mapping[float, str] | None = None,
    alike: bool = False,
) -> Markup:
    """A drawing of ``lines``, points (x, y) by name. A legend names up to eight, each says its own when pointed at.

    Points that are not finite are left out, and on a logarithmic drawing those not above zero. ``dots`` marks points,
    up to 80 a line, and says what lies at each x. Lines that are ``alike`` have one colour and no legend.
    """
    drawable = {name: _drawable(points, logarithmic) for name, points in lines.items()}
    points = [point for each in drawable.values() for point in each]
    frame = Frame(range_of([x for x, _ in points]), range_of([y for _, y in points]), logarithmic)
    parts = frame.axes(x_label, _whole(frame) if all(x == int(x) for x, _ in points) else None)
    for number, (name, each) in enumerate(drawable.items()):
        parts += _line(name, each, frame, 0 if alike else number % SERIES, dots or {})
    names = [] if alike else list(lines)
    return with_legend(figure(title, description, parts, note=note), names)


def _drawable(points: Points, logarithmic: bool) -> list[tuple[float, float]]:
    """Finite points, on a logarithmic drawing as their logarithms to base ten."""
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    return [(x, math.log10(y)) for x, y in finite if y > 0] if logarithmic else finite


def _whole(frame: Frame) -> list[float]:
    """Ticks for places that are whole numbers; the first place has one where there is room."""
    ticks = [tick for tick in round_numbers(*frame.x) if abs(tick - round(tick)) < EXACT]
    room = (frame.x[1] - frame.x[0]) / 10
    return [frame.x[0], *ticks] if ticks and ticks[0] - frame.x[0] > room else ticks


def _line(name: str, points: Points, frame: Frame, color: int, dots: Mapping[float, str]) -> list[Markup]:
    places = [frame.place(x, y) for x, y in points]
    title = element("title", {}, name)
    if len(places) == 1:  # a line of one point would not show
        return [_dot(*places[0], color, title)]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marked = [] if len(points) > MOST_DOTS else list(zip(points, places, strict=True))
    told = [
        _dot(*place, color, element("title", {}, f"{dots[x]}: {name} {10**y if frame.logarithmic else y:.4g}"))
        for (x, y), place in marked
        if x in dots
    ]
    return [element("polyline", {"class": f"line-{color}", "points": text}, title), *told]


def _dot(x: float, y: float, color: int, title: Markup) -> Markup:
    return element("circle", {"class": f"fill-{color}", "cx": x, "cy": y, "r": 2.5}, title)
