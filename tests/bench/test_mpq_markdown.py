from mpq_markdown import duration, flow, percent, points, table
from mpq_pairs import Difference


def test_a_table_has_a_line_below_its_head():
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]


def test_paragraphs_are_filled_and_all_else_stays():
    word = "word " * 20
    text = "\n".join(["## Head", "", word.strip(), word.strip(), "", *table(["a"], [["x " * 80]]), ""])
    lines = flow(text).split("\n")
    assert lines[:2] == ["## Head", ""]
    assert " ".join(lines[2:4]) == (word * 2).strip()
    assert len(lines[2]) <= 120
    assert lines[4:] == ["", *table(["a"], [["x " * 80]]), ""]


def test_figures_have_their_units():
    assert percent(91.456) == "91.46 %"
    assert percent(None) == ""
    assert points(Difference(-0.256, 0.1, 3)) == "-0.26 ± 0.10"
    assert points(Difference(0.25, None, 1)) == "+0.25"
    assert [duration(each) for each in (None, 1.234, 600.0, 36_000.0)] == ["not measured", "1.23 s", "10 min", "10.0 h"]
