import xml.etree.ElementTree as ElementTree

from qcompile.drawing import Dot, draw_scatter


def drawn(dots, **more):
    return ElementTree.fromstring(draw_scatter("title", "description", dots, x_label="bytes", **more).text)


def test_the_line_runs_through_what_none_beats():
    dots = [Dot(1, 5, "a"), Dot(2, 6, "b", beaten=True), Dot(3, 1, "c"), Dot(2, 3, "d")]
    root = drawn(dots, joined=True)
    (line,) = root.iter("polyline")
    xs = [float(point.split(",")[0]) for point in line.attrib["points"].split()]
    assert len(xs) == 3
    assert xs == sorted(xs)
    assert {dot[0].text for dot in root.iter("circle")} == {"a", "b", "c", "d"}


def test_the_chosen_one_has_a_ring_and_its_name():
    many = [Dot(place, -place, f"told {place}", f"name {place}", ringed=place == 20) for place in range(40)]
    root = drawn(many)
    assert len([dot for dot in root.iter("circle") if dot.get("class") == "ring"]) == 1
    assert "name 20" in [text.text for text in root.iter("text")]
    assert "name 3" not in [text.text for text in root.iter("text")]


def test_labels_of_neighbours_stand_below_each_other():
    root = drawn([Dot(1, 1, "a", "a"), Dot(1, 1, "b", "b"), Dot(1, 1.001, "c", "c"), Dot(9, 9, "d", "d")])
    heights = sorted(float(text.attrib["y"]) for text in root.iter("text") if text.text in ("a", "b", "c"))
    assert heights[1] - heights[0] >= 10
    assert heights[2] - heights[1] >= 10


def test_one_point_is_enough():
    assert len(list(drawn([Dot(3, 3, "only")], joined=True).iter("circle"))) == 1
