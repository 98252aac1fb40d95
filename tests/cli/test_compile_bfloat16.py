"""qcompile compile --bfloat16, and the commands that read what it writes."""

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
    onnx.save(NETWORKS["codebooks"]().proto(), tmp_path / "e.onnx")
    return tmp_path / "e.onnx"


def test_layers_multiply_in_bfloat16(exported, tmp_path):
    packed = tmp_path / "p.onnx"
    result = invoke("compile", exported, "--bfloat16", "-o", packed)
    assert result.exit_code == 0, result.output
    assert ": CodebookConvBfloat16 " in result.output
    assert ": CodebookMatMulBfloat16 " in result.output
    layers = json.loads(invoke("report", packed, "--json").output)["layers"]
    assert {layer["activation_bits"] for layer in layers} == {16}
    for command in (("report", packed), ("verify", packed, "--against", exported)):
        shown = invoke(*command)
        assert shown.exit_code == 0, shown.output


@pytest.mark.parametrize("options", [["--dynamic"], ["--calibration", "EXPORTED"]])
def test_integers_and_bfloat16_are_one_error(exported, tmp_path, options):
    given = [exported if option == "EXPORTED" else option for option in options]
    result = invoke("compile", exported, "--bfloat16", *given, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 2
    assert "--bfloat16 is for layers whose activations stay floats" in result.output
    assert not (tmp_path / "p.onnx").exists()
