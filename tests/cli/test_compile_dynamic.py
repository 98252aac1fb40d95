"""qcompile compile --dynamic, and the commands that read what it writes."""

import json

import onnx
import pytest
from click.testing import CliRunner

from qcompile.cli import main
from tests.networks import NETWORKS


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="qcompile")


@pytest.fixture
def exported(tmp_path):
    onnx.save(NETWORKS["sequence"]().proto(), tmp_path / "e.onnx")
    return tmp_path / "e.onnx"


def test_products_become_integers(exported, tmp_path):
    packed = tmp_path / "p.onnx"
    result = invoke("compile", exported, "--dynamic", "--bits", 4, "--activation-bits", 6, "-o", packed)
    assert result.exit_code == 0, result.output
    assert ": IntegerMatMulDynamic " in result.output
    layers = json.loads(invoke("report", packed, "--json").output)["layers"]
    assert {(layer["bits"], layer["activation_bits"]) for layer in layers} == {(4, 6)}
    for command in (("report", packed, "--against", exported), ("verify", packed, "--against", exported)):
        shown = invoke(*command)
        assert shown.exit_code == 0, shown.output


def test_dynamic_and_calibration_are_one_error(exported, tmp_path):
    result = invoke("compile", exported, "--dynamic", "--calibration", exported, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 2
    assert "--calibration finds ranges beforehand, --dynamic as rows come: give one of them" in result.output
    assert not (tmp_path / "p.onnx").exists()


@pytest.mark.parametrize("options", [["--calibrate-method", "mse"], ["--calibration-cache", "c"]])
def test_options_of_calibration_are_refused(exported, tmp_path, options):
    result = invoke("compile", exported, "--dynamic", *options, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 2
    assert f"{options[0]} needs --calibration" in result.output
