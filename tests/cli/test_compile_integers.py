"""qcompile compile --calibration, and the commands that read what it writes."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

from qcompile.cli import main
from tests.networks import NETWORKS


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="qcompile")


@pytest.fixture
def exported(tmp_path):
    """A float model and the inputs to calibrate it with."""
    return save(tmp_path, "plain")


def save(folder, name, rows=60):
    network = NETWORKS[name]()
    onnx.save(network.proto(), folder / "e.onnx")
    np.savez(folder / "x.npz", **network.samples(rows))
    return folder / "e.onnx", folder / "x.npz"


def test_activations_become_integers(exported, tmp_path):
    model, samples = exported
    result = invoke("compile", model, "--calibration", samples, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "a: IntegerConv 8x3x3x3, 8-bit, whole numbers, 512 bytes"
    x = dict(np.load(samples))
    wanted, found = (onnxruntime.InferenceSession(p).run(None, x)[0] for p in (model, tmp_path / "p.onnx"))
    assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max()


def test_bits_are_those_given(exported, tmp_path):
    model, samples = exported
    options = ["--bits", 3, "--activation-bits", 5, "--calibrate-method", "minmax"]
    result = invoke("compile", model, "--calibration", samples, *options, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 0, result.output
    layers = json.loads(invoke("report", tmp_path / "p.onnx", "--json").output)["layers"]
    assert {(layer["bits"], layer["activation_bits"]) for layer in layers} == {(3, 5)}


@pytest.mark.parametrize("method", ["mse", "minmax", "percentile"])
def test_every_method_compiles(exported, tmp_path, method):
    model, samples = exported
    options = ["--calibrate-method", method, "-o", tmp_path / "p.onnx"]
    assert invoke("compile", model, "--calibration", samples, *options).exit_code == 0


def test_weights_are_rounded_by_outputs_or_plainly(exported, tmp_path):
    model, samples = exported
    texts = {}
    for rounding in ("second-order", "plain"):
        options = ["--bits", 3, "--rounding", rounding, "-o", tmp_path / rounding]
        result = invoke("compile", model, "--calibration", samples, *options)
        assert result.exit_code == 0, result.output
        texts[rounding] = result.output
    assert "rounding the weights changes outputs by" in texts["second-order"]
    assert "rounding" not in texts["plain"]
    x = dict(np.load(samples))
    wanted, *found = (
        onnxruntime.InferenceSession(p).run(None, x)[0] for p in (model, tmp_path / "second-order", tmp_path / "plain")
    )
    errors = [np.square(each - wanted).mean() for each in found]
    assert errors[0] < 0.5 * errors[1]


def test_a_cache_is_kept(exported, tmp_path):
    model, samples = exported
    for target in ("a", "b"):
        options = ["--calibration-cache", tmp_path / "cache", "-o", tmp_path / target]
        assert invoke("compile", model, "--calibration", samples, *options).exit_code == 0
    assert (tmp_path / "cache").exists()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_batch_that_the_model_fixes_is_kept(tmp_path):
    model, samples = save(tmp_path, "fixed_batch")
    result = invoke("compile", model, "--calibration", samples, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "options",
    [
        ["--activation-bits", 4],
        ["--calibrate-method", "mse"],
        ["--calibration-cache", "c"],
        ["--rounding", "plain"],
    ],
)
def test_an_option_that_would_do_nothing_is_refused(exported, tmp_path, options):
    result = invoke("compile", exported[0], *options, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 2
    assert f"{options[0]} needs --calibration" in result.output


def test_samples_that_do_not_fit_are_one_line(exported, tmp_path):
    np.savez(tmp_path / "other.npz", y=np.zeros((3, 2), np.float32))
    np.savez(tmp_path / "shape.npz", x=np.zeros((3, 2), np.float32))
    (tmp_path / "text.npz").write_text("text")
    for name in ("other", "shape", "text"):
        result = invoke("compile", exported[0], "--calibration", tmp_path / f"{name}.npz", "-o", tmp_path / "p.onnx")
        assert result.exit_code == 1, result.output
        assert result.output.startswith("Error: ")
    assert not (tmp_path / "p.onnx").exists()


def test_report_and_run_read_an_integer_file(exported, tmp_path):
    model, samples = exported
    invoke("compile", model, "--calibration", samples, "-o", tmp_path / "p.onnx")
    shown = invoke("report", tmp_path / "p.onnx")
    assert shown.exit_code == 0, shown.output
    assert "IntegerMatMulFloat" in shown.output
    against = invoke("report", tmp_path / "p.onnx", "--against", model)
    assert against.exit_code == 0, against.output
    data = json.loads(invoke("report", tmp_path / "p.onnx", "--against", model, "--json").output)
    assert all(layer["weight_sqnr_db"] > 30 for layer in data["layers"])
