import json
import pathlib

import click
import numpy as np
import pytest
from click.testing import CliRunner

from qcompile.cli import main

DOCUMENTATION = pathlib.Path(__file__).parent.parent.parent / "docs" / "cli.md"


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="qcompile")


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_that_is_in_the_documentation(name):
    shown = invoke(name, "--help")
    assert shown.exit_code == 0
    assert shown.output in DOCUMENTATION.read_text(), "write it again: python docs/write_cli.py"


def test_an_error_of_ours_is_one_line_and_exit_code_1(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"nonsense")
    for command in (["report", path], ["verify", path], ["bench", path], ["compile", path, "-o", tmp_path / "y.onnx"]):
        result = invoke(*command)
        assert result.exit_code == 1, command
        assert result.output.startswith("Error: ")
        assert str(path) in result.output
    assert sorted(tmp_path.iterdir()) == [path]


def test_names_in_an_error_do_not_steer_the_terminal(packed_model, tmp_path):
    packed_model.set_attribute("fc", "bits", 9)
    packed_model.node("fc").name = "\x1b[31mred"
    result = invoke("report", packed_model.save(tmp_path / "p.onnx"))
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "red" in result.output


def test_wrong_usage_is_exit_code_2(packed_path):
    assert invoke("report", "no-such-file.onnx").exit_code == 2
    assert invoke("run", packed_path).exit_code == 2


def test_a_bug_keeps_its_traceback(monkeypatch, packed_path):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("qcompile.report.report_file", broken)
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(main, ["report", str(packed_path)], catch_exceptions=False)


def test_json_is_data(packed_path, float_path):
    for command in ("report", "verify", "bench"):
        more = ["--rounds", "1", "--seconds", "0.1", "--layers"] if command == "bench" else []
        result = invoke(command, packed_path, "--against", float_path, "--json", *more)
        assert result.exit_code == 0, result.output
        assert json.loads(result.output)["path"] == str(packed_path)
    assert json.loads(invoke("doctor", "--json").output)["problem"] is None


def test_bench_takes_shapes_and_refuses_what_is_none(packed_path, tmp_path):
    short = ["--rounds", "1", "--seconds", "0.05", "--json"]
    result = invoke("bench", packed_path, "--shape", "input=3x2x7x7", *short)
    assert json.loads(result.stdout)["inputs"] == {"input": [3, 2, 7, 7]}
    for text in ("input", "3x2", "input=", "input=3x", "input=0x2x7x7", "input=-1", "input=99999999999"):
        result = invoke("bench", packed_path, "--shape", text)
        assert result.exit_code == 1
        assert f"--shape {text}: wanted INPUT=SIZE" in result.output
    np.savez(tmp_path / "x.npz", input=np.zeros((3, 2, 7, 7), np.float32))
    for more in (["--batch", "2"], ["--shape", "input=1x2x7x7"]):
        assert invoke("bench", packed_path, "--inputs", tmp_path / "x.npz", *more).exit_code == 2


def test_bench_tells_a_missing_library(monkeypatch, packed_path):
    monkeypatch.setenv("QCOMPILE_LIBRARY", "/no/such/library.so")
    result = invoke("bench", packed_path, "--layers")
    assert result.exit_code == 1
    assert "the kernel library is not there" in result.output
    assert not result.stdout


def test_verify_exits_1_where_something_is_wrong(packed_model, tmp_path):
    packed_model.plan(conv=(2, 4))
    result = invoke("verify", packed_model.save(tmp_path / "p.onnx"))
    assert result.exit_code == 1
    assert "NOT VERIFIED" in result.output


def test_run_takes_an_npz_and_refuses_anything_else(packed_path, tmp_path):
    np.savez(tmp_path / "x.npz", input=np.zeros((3, 2, 7, 7), np.float32))
    result = invoke("run", packed_path, "--inputs", tmp_path / "x.npz")
    assert result.exit_code == 0, result.output
    assert "output: float32 [3, 5]" in result.output
    np.save(tmp_path / "x.npy", np.zeros(3))
    np.savez(tmp_path / "objects.npz", input=np.array([{}], dtype=object))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("x.npy", "objects.npz", "text.npz"):
        result = invoke("run", packed_path, "--inputs", tmp_path / name)
        assert result.exit_code == 1, result.output
        assert name in result.output


def test_doctor_tells_a_missing_library(monkeypatch):
    monkeypatch.setenv("QCOMPILE_LIBRARY", "/no/such/library.so")
    result = invoke("doctor")
    assert result.exit_code == 0
    assert "PROBLEM" in result.output


def test_every_option_has_help():
    for command in main.commands.values():
        assert command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{command.name} {parameter.name}"
