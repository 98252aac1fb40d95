"""The plans that a search found, as a picture."""

from qcompile.drawing import Dot, Markup, draw_scatter, element, shown_name
from qcompile.report.front import Front, PlanPoint


def front_section(front: Front) -> Markup:
    """The section with the trades between bytes and the figure of the search, and the plan of this file."""
    chosen = "No plan has the bits of this file."
    if front.chosen is not None:
        chosen = f"This file follows {shown_name(front.chosen)}"
        chosen += f", searched for {shown_name(front.target)}." if front.target else "."
    best = sum(point.on_front for point in front.points)
    described = f"{len(front.points)} plans, {best} of them beaten by none. {chosen}"
    picture = draw_scatter(
        f"{front.figure[0].upper()}{front.figure[1:]} against bytes of packed layers",
        described,
        [_dot(point, front.figure) for point in front.points],
        x_label="bytes of the packed layers",
        note="dashed: the plans that none beats; ring: the plan of this file",
        joined=True,
    )
    return element(
        "section",
        {"aria-labelledby": "front-title"},
        element("h2", {"id": "front-title"}, "Plans of the search"),
        element("p", {"class": "lead"}, chosen),
        element("div", {"class": "pictures"}, picture),
    )


def _dot(point: PlanPoint, figure: str) -> Dot:
    told = f"{shown_name(point.name)}: {point.packed_bytes:,} bytes, {figure} {point.figure:.4g}"
    label = shown_name(point.name).removesuffix(".json")
    return Dot(point.packed_bytes, point.figure, told, label, beaten=not point.on_front, ringed=point.chosen)
