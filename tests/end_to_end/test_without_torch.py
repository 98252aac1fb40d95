"""A device's environment: the wheel and its plain dependencies, no torch."""

import json
import os
import pathlib
import subprocess
import venv

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def device(wheel, tmp_path_factory):
    """The bin folder of a fresh virtual environment with the wheel installed."""
    folder = tmp_path_factory.mktemp("device")
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    command = [binaries / "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return binaries


@pytest.fixture
def exported(tmp_path):
    """A two-layer network as the exporter writes it."""
    random = np.random.default_rng(0)
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 20]>
        g (float[batch, 20] input) => (float[batch, 4] output) {
            w1 = Gather (c1, i1)
            h = Gemm <transB = 1> (input, w1, b1)
            t = Tanh (h)
            w2 = Gather (c2, i2)
            output = Gemm <transB = 1> (t, w2, b2)
        }"""
    )
    arrays = {
        "c1": np.array([-0.3, 0.4], np.float32),
        "i1": random.integers(0, 2, (13, 20), np.int32),
        "b1": random.standard_normal(13).astype(np.float32),
        "c2": np.array([-1, 0, 0.5], np.float32),
        "i2": random.integers(0, 3, (4, 13), np.int32),
        "b2": random.standard_normal(4).astype(np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    path = tmp_path / "exported.onnx"
    onnx.save(model, path)
    return path


def run(*command, cwd: pathlib.Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QCOMPILE_")}
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=environment)


def output_of(*command, cwd):
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_torch_is_there_and_importing_loads_neither_torch_nor_onnxruntime(device, tmp_path):
    installed = json.loads(output_of(device / "pip", "list", "--format", "json", cwd=tmp_path))
    assert "torch" not in {package["name"] for package in installed}
    code = "import sys, qcompile, qcompile.cli; print(sorted({'torch', 'onnxruntime', 'onnx'} & set(sys.modules)))"
    assert output_of(device / "python", "-c", code, cwd=tmp_path).strip() == "[]"


def test_compile_verify_report_run_bench_and_doctor_work(device, exported, tmp_path):
    qcompile = device / "qcompile"
    assert "compile" in output_of(qcompile, "--help", cwd=tmp_path)
    output_of(qcompile, "compile", exported, "-o", "packed.onnx", cwd=tmp_path)
    assert "packed.onnx: verified" in output_of(qcompile, "verify", "packed.onnx", cwd=tmp_path)
    report = json.loads(output_of(qcompile, "report", "packed.onnx", "--json", cwd=tmp_path))
    assert [layer["bits"] for layer in report["layers"]] == [1, 2]
    assert all(layer["kernel"] for layer in report["layers"])
    np.savez(tmp_path / "x.npz", input=np.zeros((3, 20), np.float32))
    output_of(qcompile, "run", "packed.onnx", "--inputs", "x.npz", "-o", "y.npz", cwd=tmp_path)
    assert np.load(tmp_path / "y.npz")["output"].shape == (3, 4)
    assert "our kernels" in output_of(qcompile, "bench", "packed.onnx", "--rounds", "1", cwd=tmp_path)
    assert "ISA chosen" in output_of(qcompile, "doctor", cwd=tmp_path)


@pytest.mark.parametrize("command", [["learn", "digits-lc-k2", "-o", "run"], ["demo", "-o", "demo"]])
def test_learning_says_what_to_install(device, tmp_path, command):
    done = run(device / "qcompile", *command, cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install" in done.stderr
    assert "qcompile[train]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
