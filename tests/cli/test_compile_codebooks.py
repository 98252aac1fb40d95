"""qcompile compile --bits: codebooks for float weights, without sample inputs."""

import json

import numpy as np
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


def test_with_samples_weights_become_codebooks_of_integers(exported, tmp_path):
    np.savez(tmp_path / "x.npz", **NETWORKS["plain"]().samples(40))
    sizes = {}
    for way in ("codebook", "grid"):
        options = ["--calibration", tmp_path / "x.npz", "--bits", 3, "--weights", way]
        result = invoke("compile", exported, *options, "-o", tmp_path / way)
        assert result.exit_code == 0, result.output
        assert invoke("verify", tmp_path / way).exit_code == 0
        layers = json.loads(invoke("report", tmp_path / way, "--json").output)["layers"]
        assert {(layer["bits"], layer["activation_bits"]) for layer in layers} == {(3, 8)}
        sizes[way] = sum(layer["codebook_bytes"] for layer in layers)
    assert sizes["codebook"] >= sizes["grid"]
    plain = ["--calibration", tmp_path / "x.npz", "--rounding", "plain", "--weights", "codebook"]
    assert "needs --rounding second-order" in invoke("compile", exported, *plain, "-o", tmp_path / "p").output


def test_a_float_model_alone_is_not_rounded(exported, tmp_path):
    result = invoke("compile", exported, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 1
    assert "A float model needs --bits" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dynamic", "--weights", "codebook"], "--weights codebook is not for --dynamic"),
        (["--dynamic", "--per", "tensor"], "--per is for layers whose activations stay floats"),
        (["--weights", "grid", "--per", "tensor"], "--per is for codebooks"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(exported, tmp_path, options, message):
    result = invoke("compile", exported, *options, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 2
    assert message in result.output
