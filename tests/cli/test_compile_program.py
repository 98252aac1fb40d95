"""qcompile compile of what torch wrote."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from qcompile.cli import main

torch = pytest.importorskip("torch")


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="qcompile")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4)).eval()
    batch = torch.export.Dim("batch")
    path = tmp_path_factory.mktemp("program") / "program.pt2"
    torch.export.save(torch.export.export(module, (torch.randn(2, 12),), dynamic_shapes=({0: batch},)), path)
    return path


def test_a_program_is_compiled_without_data_and_with_samples(program, tmp_path):
    np.savez(tmp_path / "x.npz", input=np.random.default_rng(0).standard_normal((20, 12)).astype(np.float32))
    for options in (["--bits", 4], ["--bits", 4, "--calibration", tmp_path / "x.npz"]):
        result = invoke("compile", program, *options, "-o", tmp_path / "p.onnx")
        assert result.exit_code == 0, result.output
        layers = json.loads(invoke("report", tmp_path / "p.onnx", "--json").stdout)["layers"]
        assert [(layer["name"], layer["bits"]) for layer in layers] == [("0", 4), ("2", 4)]
        assert invoke("verify", tmp_path / "p.onnx").exit_code == 0


def test_errors_name_the_file_that_was_given(program, tmp_path):
    result = invoke("compile", program, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 1
    assert f"Error: {program}: the model has no codebook weight" in result.output
    torch.save({"0.weight": torch.ones(2)}, tmp_path / "weights.pth")
    result = invoke("compile", tmp_path / "weights.pth", "--bits", 4, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 1
    assert "weights or a whole module, pickled by torch.save" in result.output
