"""qcompile compile with bits that differ from layer to layer."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from qcompile.bit_plan import read_plan
from qcompile.cli import main
from qcompile.search import read_latencies
from tests.allocation.network import uneven


@pytest.fixture
def given(tmp_path):
    made = uneven()
    onnx.save(made.proto(), tmp_path / "e.onnx")
    np.savez(tmp_path / "x.npz", **made.samples(60))
    return [tmp_path / "e.onnx", "--calibration", tmp_path / "x.npz", "-o", tmp_path / "p.onnx"]


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="qcompile")


def bits_in(path):
    layers = json.loads(invoke("report", path, "--json").stdout)["layers"]
    return {layer["name"]: layer["bits"] for layer in layers}


def test_a_budget_finds_bits_and_writes_them_beside(given, tmp_path):
    result = invoke("compile", *given, "--budget", "bits=5")
    assert result.exit_code == 0, result.output
    assert bits_in(tmp_path / "p.onnx") == {"strong": 8, "weak": 2}
    plan = read_plan((tmp_path / "p.onnx.plan.json").read_text(), "plan")
    assert {name: each.weight for name, each in plan.items()} == {"strong": 8, "weak": 2}
    for text in ("plan for bits=5: 5.00 bits a weight", "this plan: ", "uniform 5 bits: ", "12 samples held out"):
        assert text in result.stdout
    assert "strong: outputs change by" in result.stderr
    assert "strong: outputs change by" not in result.stdout


def test_an_edited_plan_is_followed(given, tmp_path):
    options = ["--budget", "bits=5", "--widths", "8, 2", "--plan-output", tmp_path / "plan.json"]
    assert invoke("compile", *given, *options).exit_code == 0
    text = (tmp_path / "plan.json").read_text()
    (tmp_path / "edited.json").write_text(text.replace('"weight": 2, "activation": 8', '"weight": 3, "activation": 8'))
    result = invoke("compile", *given, "--plan", tmp_path / "edited.json")
    assert result.exit_code == 0, result.output
    assert bits_in(tmp_path / "p.onnx") == {"strong": 8, "weak": 3}


def test_patterns_say_the_bits_of_some_layers(given, tmp_path):
    assert invoke("compile", *given, "--layer-bits", "st*=4", "--bits", 6).exit_code == 0
    assert bits_in(tmp_path / "p.onnx") == {"strong": 4, "weak": 6}


def test_patterns_hold_where_a_budget_finds_the_rest(given, tmp_path):
    result = invoke("compile", *given, "--layer-bits", "strong=3", "--budget", "bits=4")
    assert result.exit_code == 0, result.output
    assert bits_in(tmp_path / "p.onnx") == {"strong": 3, "weak": 5}


def table(**milliseconds):
    """Times of layers at 8 bits; at fewer a tenth for each bit less."""
    layers = {
        name: [{"weight": bits, "activation": 8, "ms": longest * (2 + bits) / 10} for bits in (2, 3, 4, 5, 6, 8)]
        for name, longest in milliseconds.items()
    }
    return json.dumps({"latency_table": 1, "layers": layers})


def test_given_times_bound_a_plan(given, tmp_path):
    (tmp_path / "t.json").write_text(table(strong=1, weak=2))
    result = invoke("compile", *given, "--budget", "latency=2ms", "--latencies", tmp_path / "t.json")
    assert result.exit_code == 0, result.output
    assert bits_in(tmp_path / "p.onnx") == {"strong": 8, "weak": 3}
    assert "2 ms by the times of its layers" in result.stdout


def test_without_a_table_layers_are_timed_here(given, tmp_path):
    result = invoke("compile", *given, "--budget", "latency=1s", "--widths", "2,4")
    assert result.exit_code == 0, result.output
    assert bits_in(tmp_path / "p.onnx") == {"strong": 4, "weak": 4}
    assert "ms by the times of its layers" in result.stdout
    assert "the time of each layer at 2 bits" in result.stderr


def test_a_table_of_a_float_model_is_read_again(given, tmp_path):
    options = ["--inputs", given[2], "--table", tmp_path / "t.json", "--seconds", 0.02]
    result = invoke("bench", given[0], *options)
    assert result.exit_code == 0, result.output
    read = read_latencies((tmp_path / "t.json").read_text(), "t")
    assert {name: [bits.weight for bits in times] for name, times in read.times_ms.items()} == {
        name: [2, 3, 4, 5, 6, 8] for name in ("strong", "weak")
    }
    result = invoke("compile", *given, "--budget", "latency=1s", "--latencies", tmp_path / "t.json")
    assert result.exit_code == 0, result.output


PLAN = '{"bit_plan": 1, "layers": {"strong": {"weight": 3, "activation": 8}, "weak": {"weight": 3, "activation": 7}}}'


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--budget", "bits=1"], 1, "no plan found that meets bits=1"),
        (["--budget", "byte=1"], 1, 'budget: "byte=1", wanted one of'),
        (["--budget", "bits=3", "--widths", "3,9"], 1, '--widths "3,9": wanted numbers from 1 to 8'),
        (["--budget", "bits=3", "--bits", 3], 2, "--budget finds the bits of layers, --bits gives them"),
        (["--budget", "latency=1us", "--latencies", "TABLE"], 1, "no plan found that meets latency=0.001ms"),
        (["--budget", "latency=1ms", "--latencies", "OTHER"], 1, '"latency_table" is None, wanted 1'),
        (["--widths", "3,4"], 2, "--widths needs --budget"),
        (["--plan-output", "p.json"], 2, "--plan-output needs --budget"),
        (["--layer-bits", "strog=3"], 1, "'strog' matches no layer with a float weight; near it are strong"),
        (["--plan", "PLAN"], 1, "activations of [7, 8] bits"),
        (["--plan", "PLAN", "--bits", 3], 2, "--plan gives the bits of layers already: leave out --bits"),
        (["--plan", "PLAN", "--budget", "bits=3"], 2, "leave out --budget"),
        (["--plan", "OTHER"], 1, "no layer with a float weight is called 'srong'; near it are strong"),
        (["--plan", "FEWER"], 1, "none are given for weak"),
    ],
)
def test_what_a_user_can_mend_is_said(given, tmp_path, options, code, message):
    plans = {
        "TABLE": table(strong=1, weak=1),
        "PLAN": PLAN,
        "OTHER": PLAN.replace("strong", "srong").replace("7", "8"),
        "FEWER": PLAN.replace(', "weak": {"weight": 3, "activation": 7}', ""),
    }
    for name, text in plans.items():
        (tmp_path / name).write_text(text)
    result = invoke("compile", *given, *[tmp_path / each if each in plans else each for each in options])
    assert result.exit_code == code, result.output
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "p.onnx").exists()


@pytest.mark.parametrize("option", [["--budget", "bits=3"], ["--layer-bits", "a=3"]])
def test_bits_of_layers_need_samples(given, option):
    result = invoke("compile", given[0], "-o", given[-1], *option)
    assert result.exit_code == 2
    assert f"{option[0]} needs --calibration" in result.output
