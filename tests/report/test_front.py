import json

import pytest

from qcompile.bit_plan import LayerBits, write_plan
from qcompile.errors import DataError
from qcompile.report import report_file
from tests.report.pages import write_plans


def test_the_front_and_the_plan_of_the_file_are_found(packed_path, tmp_path):
    report = report_file(packed_path, plans=write_plans(tmp_path / "plans"))
    points = [(point.name, point.packed_bytes, point.on_front, point.chosen) for point in report.front.points]
    assert points == [
        ("bits-2.json", 200, True, False),
        ("bits-3.json", 300, True, True),
        ("bits-4.json", 400, False, False),
    ]
    assert (report.front.chosen, report.front.target) == ("bits-3.json", "bits=3")
    assert [layer.choice for layer in report.layers] == ["searched for bits=3"] * 2
    assert [layer.sensitivity for layer in report.layers] == [0.25, None]


def test_a_plan_of_other_layers_is_not_that_of_the_file(packed_path, tmp_path):
    assert report_file(packed_path, plans=write_plans(tmp_path / "plans", "another")).front.chosen is None


def test_one_plan_is_a_front_of_one(packed_path, tmp_path):
    plans = write_plans(tmp_path / "plans")
    front = report_file(packed_path, plans=plans / "bits-4.json").front
    assert (len(front.points), front.chosen) == (1, None)


def test_plans_that_were_tried_are_shown_where_there_are_no_losses(packed_path, tmp_path):
    tried = [{"packed_bytes": 500, "predicted_otherwise": 0.0}, {"packed_bytes": 300, "predicted_otherwise": 0.1}]
    plan = {"conv": LayerBits(3, 8)}
    (tmp_path / "plan.json").write_text(write_plan(plan, {"target": "drop=1%", "tried": tried}))
    front = report_file(packed_path, plans=tmp_path / "plan.json").front
    assert front.figure == "samples predicted otherwise"
    assert [(point.packed_bytes, point.figure) for point in front.points] == [(300, 0.1), (500, 0.0)]
    assert front.target == "drop=1%"


@pytest.mark.parametrize(
    "notes",
    [{}, {"loss": "x", "costs": {"packed_bytes": 1}}, {"loss": 1.0, "costs": 3}, {"tried": 3}, {"tried": [{}, 7]}],
)
def test_a_plan_without_figures_is_no_front_but_still_a_choice(packed_path, tmp_path, notes):
    (tmp_path / "plan.json").write_text(write_plan({"conv": LayerBits(3, 8)}, notes))
    report = report_file(packed_path, plans=tmp_path / "plan.json")
    assert report.front is None
    assert [layer.choice for layer in report.layers] == ["plan plan.json", None]


def test_a_folder_without_plans_is_an_error(packed_path, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no plan"):
        report_file(packed_path, plans=tmp_path / "empty")


def test_what_is_no_plan_is_an_error_that_names_it(packed_path, tmp_path):
    (tmp_path / "broken.json").write_text(json.dumps({"bit_plan": 1}))
    with pytest.raises(DataError, match=r"broken\.json"):
        report_file(packed_path, plans=tmp_path / "broken.json")
