"""qcompile compile --calibration --float-activations: weights by samples, activations as they are."""

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


@pytest.fixture
def samples(tmp_path):
    np.savez(tmp_path / "x.npz", **NETWORKS["plain"]().samples(40))
    return ["--calibration", tmp_path / "x.npz", "--float-activations"]


@pytest.mark.parametrize("options", [[], ["--per", "channel"], ["--weights", "grid"], ["--bfloat16"]])
def test_weights_become_lookups_and_activations_stay_floats(exported, samples, tmp_path, options):
    packed = tmp_path / "p.onnx"
    result = invoke("compile", exported, *samples, "--bits", 3, *options, "-o", packed)
    assert result.exit_code == 0, result.output
    assert "rounding the weights changes outputs by" in result.output
    layers = json.loads(invoke("report", packed, "--json").output)["layers"]
    assert {layer["bits"] for layer in layers} == {3}
    assert {layer["activation_bits"] for layer in layers} == {16 if options == ["--bfloat16"] else 32}
    assert invoke("verify", packed).exit_code == 0


def test_without_calibration_it_is_refused(exported, tmp_path):
    result = invoke("compile", exported, "--float-activations", "--bits", 3, "-o", tmp_path / "p.onnx")
    assert "--float-activations needs --calibration" in result.output


@pytest.mark.parametrize(
    "options",
    [
        ["--activation-bits", 6],
        ["--calibrate-method", "minmax"],
        ["--rounding", "plain"],
        ["--budget", "bits=3"],
        ["--layer-bits", "*=3"],
    ],
)
def test_what_is_for_integers_is_refused(exported, samples, tmp_path, options):
    result = invoke("compile", exported, *samples, *options, "-o", tmp_path / "p.onnx")
    assert f"{options[0]} is for integers: not with --float-activations" in result.output
