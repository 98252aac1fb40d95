"""The whole way on MNIST, with a training cut short: bytes to the byte, and one answer however the file is run."""

import pathlib
import subprocess

import numpy as np
import pytest

pytest.importorskip("torch")

from qcompile.comparison import compare
from qcompile.compiler import compile_file
from qcompile.datasets import load
from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run import learn
from qcompile.frontend.run_outputs import torch_outputs
from qcompile.inference import error_percent
from qcompile.loading import load_model
from qcompile.report import report_file
from qcompile.verification import STOCK, evaluate_in_chunks, verify_file

SHORT = [  # 22 epochs instead of 460
    "reference.epochs=4",
    "schedule.first_penalty=1e-3",
    "schedule.growth=1.3",
    "schedule.iterations=16",
    "learning.epochs=1",
    "learning.first_epochs=2",
]
RUN_ELSEWHERE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(None, {"input": numpy.load(sys.argv[2])})[0])
"""


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    """A short run of LeNet300 with two entries a layer, compiled; its folder and plan."""
    folder = tmp_path_factory.mktemp("mnist") / "run"
    plan = learn(load_recipe("lenet300-lc-k2", SHORT), data_dir, folder)
    compile_file(folder / "exported.onnx", folder / "packed.onnx")
    return folder, plan


@pytest.fixture(scope="module")
def images(data_dir):
    return load("mnist", data_dir).test_images


@pytest.fixture(scope="module")
def wanted(run, images):
    return evaluate_in_chunks(load_model(run[0] / "packed.onnx"), {"input": images})


def test_learning_repairs_what_direct_compression_breaks(run):
    error = run[1]["test_error_percent"]
    assert error["reference"] < 4
    assert error["learned"] < 6
    assert error["direct"] > 2 * error["learned"]


def test_payload_is_that_of_the_formula_to_the_byte(run):
    packed = run[0] / "packed.onnx"
    report = report_file(packed, against=run[0] / "reference.onnx")
    bits = 266_200 * 1 + (410 + 3 * 2) * 32
    assert report.payload_bytes == report.formula_bytes == bits / 8
    assert report.file_bytes - report.payload_bytes < 12 * 1024
    assert report.compression_ratio == 266_610 * 32 / bits > 30


def test_torch_stock_onnxruntime_and_every_isa_give_the_same_predictions(run, images, wanted):
    folder, plan = run
    checks = [compare("torch", [torch_outputs(folder, plan["network"], images)], wanted)]
    checks += verify_file(folder / "packed.onnx", inputs={"input": images}).comparisons
    assert {check.backend for check in checks} >= {"torch", STOCK, "kernels, scalar"}
    for check in checks:
        assert check.samples == 10_000
        assert check.passed, check.as_text()
        assert check.undecided < 500, check.as_text()


def test_the_oldest_onnxruntime_gives_the_same_predictions(run, images, wanted, old_python, tmp_path):
    np.save(tmp_path / "x.npy", images)
    command = [old_python, "-c", RUN_ELSEWHERE, run[0] / "packed.onnx", tmp_path / "x.npy", tmp_path / "y.npy"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check = compare("oldest", [np.load(tmp_path / "y.npy")], wanted)
    assert check.passed, check.as_text()


def test_accuracy_survives_the_way(run, data_dir):
    packed: pathlib.Path = run[0] / "packed.onnx"
    dataset = load("mnist", data_dir)
    learned = run[1]["test_error_percent"]["learned"]
    assert error_percent(packed, dataset) == pytest.approx(learned, abs=0.02)  # an undecided image or two
    assert error_percent(packed, dataset, library=False) == pytest.approx(learned, abs=0.02)
