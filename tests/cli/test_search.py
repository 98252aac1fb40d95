"""`qcompile search`, and `qcompile compile --plan`: from the folder of a one-shot run to packed files."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from qcompile.bit_plan import read_plan, write_plan
from qcompile.cli import main

SHORT = ["--set", "reference.epochs=2", "--set", "learning.epochs=1"]


def invoke(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    pytest.importorskip("sklearn", reason="digits come with scikit-learn")
    folder = tmp_path_factory.mktemp("run") / "run"
    result = invoke("learn", "digits-one-shot", *SHORT, "-o", folder)
    assert result.exit_code == 0, result.output
    assert "8 bits     test error" in result.stdout
    assert f"{folder}/supernet.safetensors: next, qcompile search" in result.stdout.replace("\n", "")
    return folder


@pytest.fixture(scope="module")
def plans(run):
    folder = run.parent / "plans"
    budgets = ["--budget", "bits=3", "--budget", "bytes=12k,bitops=9M"]
    result = invoke("search", run, *budgets, "-o", folder, "--images", 100, "--json")
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


def test_a_search_writes_a_plan_for_each_budget(plans):
    folder, told = plans
    assert sorted(path.name for path in folder.iterdir()) == ["bits-3.json", "bytes-12000_bitops-9000000.json"]
    assert [each["budget"] for each in told["plans"]] == ["bits=3", "bytes=12000,bitops=9000000"]
    for each in told["plans"]:
        path = folder / each["plan"].rpartition("/")[2]
        notes = json.loads(path.read_text())["notes"]
        assert notes["loss"] == each["loss"]
        assert notes["costs"] == each["costs"]
        assert list(read_plan(path.read_text(), "plan")) == ["conv1", "conv2", "fc1", "fc2"]
    assert told["plans"][0]["costs"]["average_bits"] <= 3
    assert told["plans"][1]["costs"]["packed_bytes"] <= 12000


@pytest.mark.parametrize("method", ["allocation", "random"])
def test_other_methods_meet_the_budget_too(run, tmp_path, method):
    arguments = ["--method", method, "--evaluations", 5, "--images", 50]
    result = invoke("search", run, "--budget", "bits=4", "-o", tmp_path, *arguments)
    assert result.exit_code == 0, result.output
    costs = json.loads((tmp_path / "bits-4.json").read_text())["notes"]["costs"]
    assert costs["average_bits"] <= 4
    assert f"{costs['packed_bytes']:,} bytes" in result.stdout


def test_a_plan_is_compiled_and_the_file_runs(run, plans, tmp_path):
    bits = read_plan((plans[0] / "bits-3.json").read_text(), "plan")
    result = invoke("compile", run, "--plan", plans[0] / "bits-3.json", "-o", tmp_path / "net.onnx")
    assert result.exit_code == 0, result.output
    assert "test error" in result.output
    report = invoke("report", tmp_path / "net.onnx", "--json")
    layers = {layer["name"]: layer for layer in json.loads(report.stdout)["layers"]}
    assert [layers[name]["bits"] for name in ("conv1", "conv2")] == [8, bits["conv2"].weight]
    assert layers["conv2"]["activation_bits"] == bits["conv2"].activation
    np.savez(tmp_path / "x.npz", input=np.zeros((3, 1, 8, 8), np.float32))
    assert invoke("verify", tmp_path / "net.onnx", "--inputs", tmp_path / "x.npz").exit_code == 0


def test_an_edited_plan_is_followed_or_refused(run, plans, tmp_path):
    text = (plans[0] / "bits-3.json").read_text()
    bits = read_plan(text, "plan")
    edited = tmp_path / "edited.json"
    edited.write_text(write_plan({name: each for name, each in bits.items() if name != "fc1"}, {}))
    result = invoke("compile", run, "--plan", edited, "-o", tmp_path / "net.onnx")
    assert result.exit_code == 1
    assert "missing layers fc1" in result.output
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["search", "RUN", "--budget", "byte=3", "-o", "OUT"], 1, 'budget: "byte=3", wanted one of bytes=80k'),
        (["search", "RUN", "--budget", "bytes=9", "-o", "OUT"], 1, "bytes"),
        (["search", "RUN", "--budget", "latency=1ms", "-o", "OUT"], 1, "give a latency table"),
        (["search", "RUN", "-o", "OUT"], 2, "Missing option '--budget'"),
        (["search", "OUT", "--budget", "bits=3", "-o", "OUT"], 1, "holds no run"),
        (["compile", "RUN", "-o", "NET"], 2, "is a folder: give its exported.onnx, or --plan"),
        (
            ["compile", "REFERENCE", "--plan", "PLAN", "-o", "NET"],
            2,
            "--plan needs --calibration where EXPORTED is no one",
        ),
        (["compile", "REFERENCE", "--data-dir", "RUN", "-o", "NET"], 2, "--data-dir needs --plan"),
        (["compile", "RUN", "--plan", "PLAN", "--bfloat16", "-o", "NET"], 2, "--bfloat16 is for models that are not"),
        (["compile", "RUN", "--plan", "REFERENCE", "-o", "NET"], 1, "no readable text"),
    ],
)
def test_what_a_user_can_mend_is_said(run, plans, tmp_path, arguments, code, message):
    places = {
        "RUN": run,
        "OUT": tmp_path / "out",
        "NET": tmp_path / "net.onnx",
        "PLAN": plans[0] / "bits-3.json",
        "REFERENCE": run / "reference.onnx",
    }
    result = invoke(*(places.get(each, each) for each in arguments))
    assert result.exit_code == code, result.output
    assert message in result.output.replace("\n", " ")
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_without_torch_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    result = invoke("search", tmp_path, "--budget", "bits=3", "-o", tmp_path)
    assert result.exit_code == 1
    assert "searching needs torch, missing here: pip install 'qcompile[train]'" in result.output


def test_measured_times_bound_a_plan(run, tmp_path):
    pytest.importorskip("onnxruntime")
    result = invoke("bench", run, "--table", tmp_path / "table.json", "--seconds", 0.01)
    assert result.exit_code == 0, result.output
    layers = json.loads((tmp_path / "table.json").read_text())["layers"]
    assert [len(layers[name]) for name in ("conv1", "conv2", "fc1", "fc2")] == [1, 36, 36, 1]
    arguments = ["--latencies", tmp_path / "table.json", "--images", 50, "--evaluations", 20]
    result = invoke("search", run, "--budget", "latency=1s", "-o", tmp_path / "plans", *arguments)
    assert result.exit_code == 0, result.output
    [plan] = (tmp_path / "plans").iterdir()
    assert 0 < json.loads(plan.read_text())["notes"]["costs"]["nanoseconds"] < 1e9


def test_a_table_takes_what_is_timed_and_little_else(run, tmp_path):
    for arguments, message in (
        ([run], "all that is timed of a one-shot run is its layers, with --table"),
        ([run, "--table", tmp_path / "t.json", "--layers"], "--table takes --threads and --seconds only"),
        ([run / "reference.onnx", "--table", tmp_path / "t.json"], "--table of a float model needs --inputs"),
        ([run, "--table", tmp_path / "t.json", "--activation-bits", 4], "--activation-bits is for --table of a float"),
        ([run / "reference.onnx", "--activation-bits", 4], "--activation-bits is for --table of a float model"),
    ):
        result = invoke("bench", *arguments)
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())
