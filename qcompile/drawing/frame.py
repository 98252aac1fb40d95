"""The rectangle of a drawing that data lie in: where a number lies, axes and their ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qcompile.drawing.markup import Child, Markup, element

WIDTH, HEIGHT = 460, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 34
SERIES = 8  # colours
LEGEND_LIMIT = 8
Range = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """``x`` and ``y`` are the ranges shown, each of two different numbers; of logarithms where it is logarithmic."""

    x: Range
    y: Range
    logarithmic: bool = False
    height: int = HEIGHT

    @property
    def bottom(self) -> int:
        """Where the lowest y lies."""
        return self.height - BOTTOM

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the point lies in the drawing."""
        across, up = (x - self.x[0]) / (self.x[1] - self.x[0]), (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), self.bottom - up * (self.bottom - TOP)

    def axes(self, x_label: str, x_ticks: Sequence[float] | None = None) -> list[Markup]:
        """Lines and numbers of both axes, and the name of the horizontal one."""
        across = round_numbers(*self.x) if x_ticks is None else x_ticks
        up = round_powers(*self.y) if self.logarithmic else round_numbers(*self.y, most=5)
        parts = [part for value in up for part in self._across(value)]
        parts += [self._number(value) for value in across]
        parts.append(element("path", {"class": "axis", "d": f"M{LEFT} {self.bottom}H{WIDTH - RIGHT}"}))
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(element("text", {"x": middle, "y": self.height - 4, "text-anchor": "middle"}, x_label))
        return parts

    def _across(self, value: float) -> list[Markup]:
        """The line and the number at a height."""
        _, y = self.place(self.x[0], value)
        text = short_number(10**value if self.logarithmic else value)
        line = element("path", {"class": "grid", "d": f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}"})
        return [line, element("text", {"x": LEFT - 6, "y": y + 4, "text-anchor": "end"}, text)]

    def _number(self, value: float) -> Markup:
        x, _ = self.place(value, self.y[0])
        return element("text", {"x": x, "y": self.bottom + 14, "text-anchor": "middle"}, short_number(value))


def figure(title: str, description: str, parts: Sequence[Child], *, note: str = "", height: int = HEIGHT) -> Markup:
    """A captioned drawing. ``description`` is for who cannot see it; ``note`` stands below the title."""
    described = [element("title", {}, title), element("desc", {}, description)]
    attributes = {"class": "drawing", "role": "img", "viewBox": f"0 0 {WIDTH} {height}"}
    caption: list[Child] = [title, *([element("span", {}, note)] if note else [])]
    return element("figure", {}, element("figcaption", {}, *caption), element("svg", attributes, *described, *parts))


def with_legend(drawn: Markup, names: Sequence[str]) -> Markup:
    """``drawn`` with the names of its series below, in their colours; of more than LEGEND_LIMIT none can be told."""
    if not 1 < len(names) <= LEGEND_LIMIT:
        return drawn
    items = [element("li", {}, _sample(number), name) for number, name in enumerate(names)]
    return element("div", {}, drawn, element("ul", {"class": "legend"}, *items))


def round_numbers(low: float, high: float, most: int = 6) -> list[float]:
    """At most ``most`` + 1 round numbers from ``low`` to ``high``: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def round_powers(low: float, high: float) -> list[float]:
    """The logarithms to base ten, from ``low`` to ``high``, of powers of ten; between few of these of 2 and 5 times."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    factors = (1,) if high - low > 2 else (1, 2, 5) if high - low > 0.6 else (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
    found = [decade + math.log10(factor) for decade in decades for factor in factors]
    return [value for value in found if low - 1e-9 <= value <= high + 1e-9]


def range_of(values: Sequence[float], *, zero: bool = False) -> Range:
    """The lowest and the highest, apart by more than nothing; with ``zero`` from 0 on at the latest."""
    finite = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    margin = max(0.5, 0.1 * abs(high))
    return low - (0.0 if zero else margin), high + margin


def short_number(value: float) -> str:
    """At most four digits: 12,345 is 12.3k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and size > 1e3):
            return f"{value / size:.3g}{letter}"
    return f"{value:.4g}"


def _sample(number: int) -> Markup:
    square = element("rect", {"class": f"fill-{number % SERIES}", "width": 10, "height": 10, "rx": 2})
    return element("svg", {"viewBox": "0 0 10 10", "aria-hidden": "true"}, square)
