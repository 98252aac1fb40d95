"""What the pages of one file and of several share."""

import importlib.resources
from collections.abc import Sequence

from qcompile.drawing import Child, Markup, document, drawing_style, element
from qcompile.report.measured import Machine

DOWN, ACROSS = "row", "col"


def whole_page(title: str, body: Sequence[Child]) -> str:
    """The page as one file."""
    style = drawing_style() + _resource("page.css")
    return document(title, style, body, _resource("page.js"))


def plain_table(label: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> Markup:
    """A table that nobody sorts; the first cell of a row is its head. The first ``texts`` columns are no numbers."""
    top = element(
        "tr",
        {},
        *(element("th", {"scope": ACROSS, "class": _side(place, texts)}, name) for place, name in enumerate(head)),
    )
    body = [element("tr", {}, *(_cell(place, text, texts) for place, text in enumerate(row))) for row in rows]
    table = element("table", {"class": "plain"}, element("thead", {}, top), element("tbody", {}, *body))
    scrolled = {"class": "scrolled", "tabindex": 0, "role": "region", "aria-label": label}
    return element("div", scrolled, table)


def footer(machine: Machine | None, versions: str) -> Markup:
    """Where the numbers come from."""
    lines = ["Bytes, bits and entries are counted in the file itself."]
    if machine is not None:
        lines.append(
            f"Times and kernels: {machine.processor} ({machine.architecture}), kernels {machine.kernels_version} for "
            f"{machine.isa}, onnxruntime {machine.onnxruntime}."
        )
    return element("footer", {}, " ".join([*lines, versions]))


def _cell(place: int, text: str, texts: int) -> Markup:
    if place:
        return element("td", {"class": _side(place, texts)}, text)
    return element("th", {"scope": DOWN, "class": "name"}, text)


def _side(place: int, texts: int) -> str:
    return "text" if place < texts else "number"


def _resource(name: str) -> str:
    return (importlib.resources.files("qcompile.report.page") / name).read_text(encoding="utf-8")
