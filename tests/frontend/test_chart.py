import math
import xml.etree.ElementTree as ElementTree

import pytest

from qcompile.frontend.chart import HEIGHT, WIDTH, Chart


def parse(chart):
    return ElementTree.fromstring(chart.as_svg())


def places(element):
    return [tuple(map(float, point.split(","))) for point in element.attrib["points"].split()]


def test_a_line_runs_from_corner_to_corner():
    (line,) = parse(Chart("rising", {"a": [(0, 1.0), (5, 2.0), (10, 3.0)]})).iter("polyline")
    (left, bottom), middle, (right, top) = places(line)
    assert 0 < left < right < WIDTH
    assert 0 < top < bottom < HEIGHT
    assert middle == ((left + right) / 2, (top + bottom) / 2)


def test_a_logarithmic_axis():
    (line,) = parse(Chart("log", {"a": [(0, 0.01), (1, 0.1), (2, 1.0), (3, 0.0), (4, -1.0)]}, logarithmic=True)).iter(
        "polyline"
    )
    (_, low), (_, middle), (_, high) = places(line)  # zero and below have no place
    assert middle == pytest.approx((low + high) / 2)


@pytest.mark.parametrize("points", [[], [(0, math.nan)], [(0, 2.0)], [(0, 2.0), (1, 2.0)], [(3, math.inf), (3, 1.0)]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_few_and_strange_points_still_make_a_chart(points, logarithmic):
    svg = Chart("odd", {"a": points}, logarithmic).as_svg()
    ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert "inf" not in svg


def test_names_are_escaped():
    nasty = '</svg><script>alert("&")</script>'
    root = parse(Chart(nasty, {nasty: [(0, 1.0), (1, 2.0)]}))
    assert not list(root.iter("script"))
    assert {element.text for element in root.iter("text")} >= {nasty}


def test_many_lines_have_no_legend_but_titles():
    lines = {f"line {index}": [(0, index), (1, index + 1)] for index in range(20)}
    root = parse(Chart("many", lines))
    assert [element.text for element in root.iter("title")] == list(lines)
    assert not {element.text for element in root.iter("text")} & set(lines)
