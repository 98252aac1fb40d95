import itertools
import xml.etree.ElementTree as ElementTree

from qcompile.drawing import draw_bars


def bars_of(labels, series, **more):
    root = ElementTree.fromstring(draw_bars("title", "description", labels, series, x_label="x", **more).text)
    (svg,) = (element for element in root.iter("svg") if element.get("role") == "img")
    return list(svg.iter("rect"))


def heights(bars):
    return [float(bar.attrib["height"]) for bar in bars]


def test_bars_are_as_high_as_their_values():
    zero, one, two = heights(bars_of(["a", "b", "c"], {"bits": [0, 4, 8]}))
    assert zero == 0
    assert 0 < one == two / 2


def test_a_bar_says_its_label_value_and_unit():
    bars = bars_of(["conv<1>", "fc"], {"bits": [3, 12345]}, unit=" bytes")
    assert [bar[0].text for bar in bars] == ["conv<1>: 3 bytes", "fc: 12,345 bytes"]


def test_what_has_no_value_has_no_bar():
    assert len(bars_of(["a", "b"], {"x": [1, None], "y": [2, 3]})) == 3


def test_what_stands_behind_has_the_same_scale():
    behind, before = bars_of(["a"], {"packed": [1]}, behind=("as float", [4]))
    assert float(behind.attrib["height"]) == 4 * float(before.attrib["height"])
    assert behind[0].text == "a: as float 4"


def test_bars_lie_side_by_side_inside_the_drawing():
    for count in (1, 2, 60, 300):
        bars = bars_of([str(place) for place in range(count)], {"x": [1] * count, "y": [2] * count})
        ends = sorted((float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in bars)
        assert all(left + width <= other + 0.02 for (left, width), (other, _) in itertools.pairwise(ends))
        assert ends[0][0] >= 0  # places are rounded to a hundredth, twice
