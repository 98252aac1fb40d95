"""`qcompile report`: text, JSON and pages of one file and of several."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from qcompile.cli import main
from tests.report.pages import write_plans, write_run


def invoke(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


@pytest.fixture
def inputs_path(tmp_path):
    np.savez(tmp_path / "x.npz", input=np.random.default_rng(0).random((5, 2, 7, 7), dtype=np.float32))
    return tmp_path / "x.npz"


def test_all_that_is_asked_for_is_in_every_form(packed_path, float_path, inputs_path, tmp_path):
    plans, run = write_plans(tmp_path / "plans"), write_run(tmp_path / "run")
    asked = [packed_path, "--against", float_path, "--inputs", inputs_path, "--time", "--plans", plans, "--run", run]
    result = invoke(*asked, "--html", tmp_path / "report.html", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert "the page: " in result.stderr
    page = (tmp_path / "report.html").read_text()
    assert f"{data['file_bytes']:,} bytes" in page
    assert data["timing"]["latency_us"] > 0
    assert data["front"]["chosen"] == "bits-3.json"
    assert len(data["learning"]["iterations"]) == 3
    text = invoke(*asked[:5]).stdout
    assert "worst first: the lowest SQNR of what the layer gives" in text
    assert f"{data['outputs_sqnr_db']['output']:.1f} dB over 5 samples" in text


def test_the_worst_layer_comes_first(packed_model, float_path, tmp_path):
    path = packed_model.correct(fc={0: 1.0, 7: -3.0}).save(
        tmp_path / "packed.onnx"
    )  # the float model has none of these

    def order(*arguments):
        lines = invoke(path, *arguments).stdout.splitlines()
        return [line.split()[0] for line in lines if line.strip().startswith(("conv ", "fc "))]

    assert order() == ["conv", "fc"]  # more bytes
    assert order("--against", float_path) == ["fc", "conv"]  # less SQNR


def test_several_files_stand_side_by_side(packed_model, packed_path, tmp_path):
    other = packed_model.save(tmp_path / "other.onnx")
    result = invoke(packed_path, other, "--json", "--html", tmp_path / "both.html")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert [report["path"] for report in data["reports"]] == [str(packed_path), str(other)]
    assert "Side by side" in (tmp_path / "both.html").read_text()
    text = invoke(packed_path, other).stdout
    assert text.index(str(packed_path)) < text.index(str(other))


def test_a_page_replaces_the_old_one_whole(packed_path, tmp_path):
    (tmp_path / "report.html").write_text("old")
    assert invoke(packed_path, "--html", tmp_path / "report.html").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["packed.onnx", "report.html"]
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_an_error(packed_path, tmp_path):
    result = invoke(packed_path, "--html", tmp_path / "no" / "such" / "folder.html")
    assert result.exit_code == 1
    assert "cannot be written" in result.output


def test_what_does_not_go_together_is_refused(packed_path, inputs_path, tmp_path):
    result = invoke(packed_path, "--inputs", inputs_path)
    assert (result.exit_code, "--against FLOAT.onnx" in result.output) == (2, True)
    result = invoke(packed_path, packed_path, "--plans", tmp_path)
    assert (result.exit_code, "name one" in result.output) == (2, True)


def test_a_folder_that_is_no_run_is_an_error(packed_path, tmp_path):
    result = invoke(packed_path, "--run", tmp_path)
    assert result.exit_code == 1
    assert "metrics.jsonl: no metrics of a run" in result.output
