"""qcompile compile: layers that stay float, named as onnxruntime names them."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from qcompile.cli import main
from tests.allocation.network import uneven


@pytest.fixture
def given(tmp_path):
    made = uneven()
    onnx.save(made.proto(), tmp_path / "e.onnx")
    np.savez(tmp_path / "x.npz", **made.samples(40))
    return tmp_path / "e.onnx", "-o", tmp_path / "p.onnx"


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="qcompile")


def layers_in(path):
    return [layer["name"] for layer in json.loads(invoke("report", path, "--json").stdout)["layers"]]


WAYS = {"codebooks": ["--bits", 4], "dynamic": ["--dynamic"], "samples": ["--calibration", "x.npz"]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("choice", [["--nodes-to-exclude", "st*"], ["--nodes-to-quantize", "weak"]])
def test_a_layer_stays_float_in_each_way_to_round(given, tmp_path, monkeypatch, way, choice):
    monkeypatch.chdir(tmp_path)
    result = invoke("compile", *given, *WAYS[way], *choice)
    assert result.exit_code == 0, result.output
    assert "strong: left alone: excluded" in result.output
    assert layers_in(tmp_path / "p.onnx") == ["weak"]
    assert invoke("verify", tmp_path / "p.onnx").exit_code == 0


def test_operators_are_chosen(given):
    result = invoke("compile", *given, "--bits", 4, "--op-types-to-quantize", "Conv, LSTM")
    assert result.exit_code == 1
    assert "is not among the operators to quantize" in result.output


def test_a_pattern_that_matches_nothing_tells_the_nearest(given):
    result = invoke("compile", *given, "--bits", 4, "--nodes-to-exclude", "strung")
    assert result.exit_code == 1
    assert "'strung' matches no layer" in result.output
    assert "near it are strong" in result.output


def test_budgets_and_plans_go_without_excluded_layers(given, tmp_path):
    samples, choice = ["--calibration", tmp_path / "x.npz"], ["--nodes-to-exclude", "strong"]
    plan = ["--plan-output", tmp_path / "plan.json"]
    assert invoke("compile", *given, *samples, "--budget", "bits=5", "--widths", "3,8", *plan).exit_code == 0
    result = invoke("compile", *given, *samples, "--plan", tmp_path / "plan.json", *choice)
    assert result.exit_code == 0, result.output
    assert layers_in(tmp_path / "p.onnx") == ["weak"]
    result = invoke("compile", *given, *samples, "--budget", "bits=3", *choice, *plan)
    assert result.exit_code == 0, result.output
    assert list(json.loads((tmp_path / "plan.json").read_text())["layers"]) == ["weak"]
    assert invoke("compile", *given, *samples, "--layer-bits", "strong=3", *choice).exit_code == 1


def test_choosing_needs_weights_that_are_rounded(given):
    result = invoke("compile", *given, "--nodes-to-exclude", "strong")
    assert result.exit_code == 2
    assert "--nodes-to-exclude needs --bits, --calibration or --dynamic" in result.output
