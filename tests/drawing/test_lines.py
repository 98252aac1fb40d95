import math
import xml.etree.ElementTree as ElementTree

import pytest

from qcompile.drawing import draw_lines
from qcompile.drawing.frame import HEIGHT, WIDTH


def drawn(lines, title="title", **more):
    return ElementTree.fromstring(draw_lines(title, "description", lines, x_label="x", **more).text)


def places(element):
    return [tuple(map(float, point.split(","))) for point in element.attrib["points"].split()]


def test_a_line_runs_from_corner_to_corner():
    (line,) = drawn({"a": [(0, 1.0), (5, 2.0), (10, 3.0)]}).iter("polyline")
    (left, bottom), middle, (right, top) = places(line)
    assert 0 < left < right < WIDTH
    assert 0 < top < bottom < HEIGHT
    assert middle == ((left + right) / 2, (top + bottom) / 2)


def test_a_logarithmic_axis():
    points = [(0, 0.01), (1, 0.1), (2, 1.0), (3, 0.0), (4, -1.0)]  # zero and below have no place
    (line,) = drawn({"a": points}, logarithmic=True).iter("polyline")
    (_, low), (_, middle), (_, high) = places(line)
    assert middle == pytest.approx((low + high) / 2, abs=0.1)  # places have one decimal
    assert {"0.01", "0.1", "1"} <= {element.text for element in drawn({"a": points}, logarithmic=True).iter("text")}


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(0, 2.0)], [(0, 2.0), (1, 2.0)], [(3, math.inf), (3, 1.0)]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_few_and_strange_points_still_make_a_drawing(points, logarithmic):
    svg = draw_lines("odd", "none", {"a": points}, x_label="x", logarithmic=logarithmic).text
    ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert "inf" not in svg


def test_names_are_escaped():
    nasty = '</svg><script>alert("&")</script>'
    root = drawn({nasty: [(0, 1.0), (1, 2.0)], "b": [(0, 1.0)]}, nasty)
    assert not list(root.iter("script"))
    assert nasty in [element.text for element in root.iter("title")]
    assert nasty in "".join(root.itertext())


def test_a_drawing_has_a_text_alternative():
    (svg,) = (element for element in drawn({"a": [(0, 1.0)]}).iter("svg") if element.get("role") == "img")
    assert [(part.tag, part.text) for part in list(svg)[:2]] == [("title", "title"), ("desc", "description")]


def test_a_legend_names_a_few_lines_and_titles_name_many():
    lines = {f"line {index}": [(0, index), (1, index + 1)] for index in range(20)}
    few = dict(list(lines.items())[:3])
    assert ["".join(item.itertext()) for item in drawn(few).iter("li")] == list(few)
    assert not list(drawn(lines).iter("li"))
    assert not list(drawn(few, alike=True).iter("li"))
    assert [line[0].text for line in drawn(lines).iter("polyline")] == list(lines)


def test_a_marked_point_says_what_it_is():
    root = drawn({"a": [(1, 3.0), (2, 4.0)]}, dots={1.0: "conv", 2.0: "fc"})
    assert [dot[0].text for dot in root.iter("circle")] == ["conv: a 3", "fc: a 4"]
