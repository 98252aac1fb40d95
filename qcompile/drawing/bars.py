"""Bars side by side, one group for each label: what a layer has, along the depth."""

from collections.abc import Mapping, Sequence

from qcompile.drawing.frame import LEFT, RIGHT, SERIES, WIDTH, Frame, figure, range_of, round_numbers, with_legend
from qcompile.drawing.markup import Markup, element

GAP = 0.22  # of a group's width
WIDEST = 44.0
MOST_TICKS = 10


def draw_bars(
    title: str,
    description: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    x_label: str,
    note: str = "",
    unit: str = "",
    up_to: float = 0.0,
    behind: tuple[str, Sequence[float]] | None = None,
) -> Markup:
    """Bars from zero: of each of ``series`` a bar at each of ``labels``, which are numbered from 1 on below.

    Each bar says its label, value and ``unit`` when pointed at; None has no bar. The axis reaches ``up_to`` at least.
    ``behind`` is a series that stands faintly behind the others.
    """
    values = [value for own in series.values() for value in own if value is not None]
    back = [] if behind is None else list(behind[1])
    frame = Frame((0.5, len(labels) + 0.5), range_of([*values, *back, up_to], zero=True))
    parts = frame.axes(x_label, _places(len(labels)))
    for place, (label, before) in enumerate(zip(labels, back, strict=False), 1):
        told = f"{label}: {behind[0] if behind else ''} {before:,.6g}{unit}"
        parts.append(_bar(frame, place, before, (0, 1), told, "soft"))
    for number, (name, own) in enumerate(series.items()):
        kind = f"{name} " if len(series) > 1 else ""
        for place, (label, value) in enumerate(zip(labels, own, strict=True)):
            if value is not None:
                told = f"{label}: {kind}{value:,.6g}{unit}"
                parts.append(_bar(frame, place + 1, value, (number, len(series)), told, f"fill-{number % SERIES}"))
    return with_legend(figure(title, description, parts, note=note), list(series))


def _bar(frame: Frame, place: int, value: float, part: tuple[int, int], told: str, color: str) -> Markup:
    """The bar of series ``part[0]`` of ``part[1]`` at the label ``place``."""
    width = min(WIDEST, (WIDTH - LEFT - RIGHT) / (frame.x[1] - frame.x[0]) * (1 - GAP))
    x, y = frame.place(place, value)
    own = width / part[1]
    left, height = x - width / 2 + part[0] * own, frame.bottom - y
    attributes = {"class": color, "x": left, "y": y, "width": own, "height": max(height, 0.0)}
    return element("rect", attributes, element("title", {}, told))


def _places(count: int) -> list[float]:
    """The labels that get a number: all of a few, round ones of many."""
    if count <= MOST_TICKS:
        return [float(place) for place in range(1, count + 1)]
    return [place for place in (1.0, *round_numbers(1, count)) if place == int(place) and place >= 1]
