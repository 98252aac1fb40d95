import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from qcompile.cli import main
from qcompile.cli.learn import INTERRUPTED

ROOT = pathlib.Path(__file__).parents[2]
SHORT = ["digits-lc-k2", "--set", "reference.epochs=2", "--set", "schedule.iterations=2", "--set", "learning.epochs=1"]


def invoke(*arguments):
    return CliRunner().invoke(main, ["learn", *map(str, arguments)])


def test_a_run_leaves_its_files_and_says_what_came_out(tmp_path):
    pytest.importorskip("sklearn", reason="digits come with scikit-learn")
    result = invoke(*SHORT, "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "run/plan.json").read_text())
    for stage in ("reference", "direct", "learned"):
        assert f"test error {plan['test_error_percent'][stage]:.2f} %" in result.stdout
    assert f"{tmp_path}/run/exported.onnx" in result.stdout.replace("\n", "")
    assert "learning 2/2" in result.stderr

    again = invoke(*SHORT, "-o", tmp_path / "run")
    assert again.exit_code == 1
    assert "continue it with --resume" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits-lc-k3"], 'no recipe is called "digits-lc-k3"'),
        (["digits-lc-k2", "--set", "sed=1"], 'did you mean "seed"?'),
        (["lenet300-lc-k2"], "found neither train-images-idx3-ubyte"),
        (["digits-lc-k2", "--reference", "absent.safetensors"], "absent.safetensors: no readable safetensors file"),
        (["digits-lc-k2", "--resume"], "holds no run to resume"),
    ],
)
def test_what_a_user_can_mend_is_one_line(tmp_path, arguments, message):
    result = invoke(*arguments, "-o", tmp_path / "run", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("missing", ["torch", "safetensors"])
def test_without_torch_it_says_what_to_install(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    result = invoke("digits-lc-k2", "-o", tmp_path / "run")
    assert result.exit_code == 1
    assert f"learning needs {missing}, missing here: pip install 'qcompile[train]'" in result.output


def test_help_needs_no_torch():
    program = (
        "import sys; from qcompile.cli.learn import learn\n"
        "try: learn(['--help'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(tmp_path, number):
    pytest.importorskip("sklearn", reason="digits come with scikit-learn")
    command = [sys.executable, "-c", "from qcompile.cli import main; main()", "learn", "digits-lc-k2", "-o", "run"]
    process = subprocess.Popen(
        [*command, "--set", "reference.epochs=100000"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run/metrics.jsonl").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED
    assert "stopped and saved; continue with --resume" in errors
    saved = sorted((tmp_path / "run/checkpoints").glob("*.json"))
    assert saved
