"""The demo itself, once from nothing and once more."""

import json
import time

import onnx
import pytest

pytest.importorskip("torch")

from click.testing import CliRunner

from qcompile.cli import main
from qcompile.runtime import runtime_info


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo"
    start = time.monotonic()
    result = CliRunner().invoke(main, ["demo", "-o", str(folder)])
    assert result.exit_code == 0, result.output
    return folder, result.output, time.monotonic() - start


def test_everything_agrees_and_the_files_are_there(demo):
    folder, output, _ = demo
    assert "everything agrees" in output
    for name in ("one-bit", "mixed"):
        report = json.loads((folder / f"{name}.report.json").read_text())
        assert report["file_bytes"] == (folder / f"{name}.onnx").stat().st_size
        assert {layer["name"] for layer in report["layers"]} == {"conv1", "conv2", "fc1", "fc2"}
        assert "Error along the depth" in (folder / f"{name}.report.html").read_text()
        plan = json.loads((folder / name / "plan.json").read_text())
        assert plan["test_error_percent"]["learned"] <= plan["test_error_percent"]["reference"] + 1.5
    bits = [
        {layer["bits"] for layer in json.loads((folder / f"{name}.report.json").read_text())["layers"]}
        for name in ("one-bit", "mixed")
    ]
    assert bits[0] == {1}
    assert len(bits[1]) > 1


def test_the_float_network_becomes_integers_and_gives_the_same_bits(demo):
    folder, output, _ = demo
    operators = {node.op_type for node in onnx.load(folder / "integers.onnx").graph.node}
    assert {"IntegerConv", "IntegerMatMulFloat"} <= operators
    integers = output.split("== integers:")[1]
    assert integers.count("largest difference 0 =") == 1 + len(runtime_info().isas)


def test_prints_what_it_promises(demo):
    for part in ("test error: float", "torch, decoded weights", "stock onnxruntime", "kernels, scalar", "latency"):
        assert part in demo[1]


def test_a_second_time_it_takes_up_what_is_there(demo):
    start = time.monotonic()
    result = CliRunner().invoke(main, ["demo", "-o", str(demo[0])])
    assert result.exit_code == 0, result.output
    assert time.monotonic() - start < demo[2]
