"""qcompile compile --bits: codebooks for float weights, without sample inputs."""

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
    onnx.save(NETWORKS["plain"]().proto(), tmp_path / "e.onnx")
    return tmp_path / "e.onnx"


@pytest.mark.parametrize("options", [[], ["--per", "channel"], ["--per", "tensor"], ["--weights", "grid"]])
def test_float_weights_become_lookups_that_verify(exported, tmp_path, options):
    packed = tmp_path / "p.onnx"
    result = invoke("compile", exported, "--bits", 3, *options, "-o", packed)
    assert result.exit_code == 0, result.output
    data = json.loads(invoke("report", packed, "--against", exported, "--json").output)
    assert {layer["bits"] for layer in data["layers"]} == {3}
    assert all(layer["weight_sqnr_db"] > 5 for layer in data["layers"])
    assert invoke("verify", packed).exit_code == 0


def test_a_float_model_alone_is_not_rounded(exported, tmp_path):
    result = invoke("compile", exported, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 1
    assert "A float model needs --bits" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dynamic", "--weights", "codebook"], "--weights is for layers whose activations stay floats"),
        (["--dynamic", "--per", "tensor"], "--per is for layers whose activations stay floats"),
        (["--weights", "grid", "--per", "tensor"], "--per is for codebooks"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(exported, tmp_path, options, message):
    result = invoke("compile", exported, *options, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 2
    assert message in result.output
