"""Line charts as inline SVG: no script, no file beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 28, 28
_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
_LEGEND_LIMIT = 8

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """``lines`` are points (x, y) by name; a logarithmic chart leaves out what is not above zero."""

    title: str
    lines: Mapping[str, Points]
    logarithmic: bool = False

    def as_svg(self) -> str:
        """An <svg> element. Points that are not finite are left out; names are escaped."""
        lines = {name: self._drawable(points) for name, points in self.lines.items()}
        points = [point for each in lines.values() for point in each]
        x_range, y_range = _range([x for x, _ in points]), _range([y for _, y in points])
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" font-size="11">',
            f'<text x="{_LEFT}" y="16" font-weight="bold">{escape(self.title)}</text>',
            *self._axes(x_range, y_range),
        ]
        for index, (name, each) in enumerate(lines.items()):
            color = _COLORS[index % len(_COLORS)]
            parts.append(_polyline(name, [_place(point, x_range, y_range) for point in each], color))
            if len(lines) <= _LEGEND_LIMIT:
                parts.append(
                    f'<text x="{WIDTH - _RIGHT}" y="{_TOP + 12 + 13 * index}" {_end(color)}>{escape(name)}</text>'
                )
        return "\n".join([*parts, "</svg>"])

    def _drawable(self, points: Points) -> list[tuple[float, float]]:
        """Finite points, on a logarithmic chart as their logarithms to base ten."""
        finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        return [(x, math.log10(y)) for x, y in finite if y > 0] if self.logarithmic else finite

    def _axes(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> list[str]:
        bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        frame = f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#888"/>'
        labels = [
            f'<text x="{_LEFT - 6}" y="{y}" {_end("#444")}>{_number(10**value if self.logarithmic else value)}</text>'
            for y, value in ((bottom, y_range[0]), (_TOP + 8, y_range[1]))
        ]
        ends = ((_LEFT, "start", x_range[0]), (right, "end", x_range[1]))
        labels += [
            f'<text x="{x}" y="{HEIGHT - 10}" fill="#444" text-anchor="{anchor}">{_number(value)}</text>'
            for x, anchor, value in ends
        ]
        return [frame, *labels]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest, apart by more than nothing."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _place(
    point: tuple[float, float], x_range: tuple[float, float], y_range: tuple[float, float]
) -> tuple[float, float]:
    x, y = ((value - low) / (high - low) for value, (low, high) in zip(point, (x_range, y_range), strict=True))
    return _LEFT + x * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - y * (HEIGHT - _TOP - _BOTTOM)


def _polyline(name: str, places: Sequence[tuple[float, float]], color: str) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    title = f"<title>{escape(name)}</title>"
    if len(places) == 1:  # a line of one point would not show
        ((x, y),) = places
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{color}">{title}</circle>'
    return f'<polyline points="{text}" fill="none" stroke="{color}">{title}</polyline>'


def _end(color: str) -> str:
    return f'text-anchor="end" fill="{color}"'


def _number(value: float) -> str:
    return f"{value:.4g}"
