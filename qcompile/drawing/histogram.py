"""How often values occur, and the few values that stand for them."""

from collections.abc import Sequence

from qcompile.drawing.frame import Frame, figure, range_of
from qcompile.drawing.markup import Markup, element

HEIGHT = 160


def draw_histogram(
    title: str,
    description: str,
    counts: Sequence[int],
    ends: tuple[float, float],
    entries: Sequence[float],
    uses: Sequence[int],
    *,
    x_label: str,
    note: str = "",
) -> Markup:
    """``counts`` of bins of one width between the ``ends`` as an area; ``entries`` as stems as high as their ``uses``.

    Both are as high as the drawing at their most, for they count by different bins; the axis counts uses.
    """
    margin = 0.03 * (ends[1] - ends[0])
    frame = Frame(
        (ends[0] - margin, ends[1] + margin), range_of([1.08 * max(uses, default=0)], zero=True), height=HEIGHT
    )
    parts = frame.axes(x_label)
    if counts:
        parts.append(_area(frame, counts, ends))
    for entry, used in zip(entries, uses, strict=True):
        x, y = frame.place(entry, used)
        told = element("title", {}, f"{entry:.4g}: {used:,} weights")
        parts.append(element("path", {"class": "stem", "d": f"M{x:.1f} {frame.bottom}V{y:.1f}"}))
        parts.append(element("circle", {"class": "fill-1", "cx": x, "cy": y, "r": 3}, told))
    return figure(title, description, parts, note=note, height=HEIGHT)


def _area(frame: Frame, counts: Sequence[int], ends: tuple[float, float]) -> Markup:
    width, most = (ends[1] - ends[0]) / len(counts), max(*counts, 1)
    top = frame.y[1] / 1.08
    steps = []
    for number, count in enumerate(counts):
        left, y = frame.place(ends[0] + number * width, top * count / most)
        right, _ = frame.place(ends[0] + (number + 1) * width, 0)
        steps.append(f"V{y:.1f}H{right:.1f}" if number else f"M{left:.1f} {frame.bottom}V{y:.1f}H{right:.1f}")
    return element("path", {"class": "soft", "d": f"{''.join(steps)}V{frame.bottom}Z"})
