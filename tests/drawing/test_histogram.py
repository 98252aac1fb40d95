import xml.etree.ElementTree as ElementTree

from qcompile.drawing import draw_histogram


def drawn(counts, entries, uses):
    markup = draw_histogram("title", "description", counts, (-1.0, 1.0), entries, uses, x_label="value")
    return ElementTree.fromstring(markup.text)


def test_a_stem_for_each_entry_says_how_many_weights_use_it():
    root = drawn([], [-0.5, 0.0, 0.5], [10, 4000, 0])
    assert [dot[0].text for dot in root.iter("circle")] == ["-0.5: 10 weights", "0: 4,000 weights", "0.5: 0 weights"]
    highest = min(root.iter("circle"), key=lambda dot: float(dot.attrib["cy"]))
    assert highest[0].text.startswith("0:")


def test_the_area_has_a_step_for_each_bin_and_ends_where_it_began():
    (area,) = (path for path in drawn([1, 0, 5], [0.0], [6]).iter("path") if path.get("class") == "soft")
    assert area.attrib["d"].count("H") == 3
    assert area.attrib["d"].endswith("Z")


def test_nothing_at_all_still_makes_a_drawing():
    assert not list(drawn([0, 0], [], []).iter("circle"))
