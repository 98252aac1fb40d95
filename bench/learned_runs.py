"""What the benchmarks of learning share: a recipe run, compiled, checked on every way to run it, and written down."""

import json
import pathlib
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from qcompile import __version__
from qcompile.comparison import Comparison, compare
from qcompile.compiler import compile_file
from qcompile.datasets import load
from qcompile.files import write_atomically
from qcompile.frontend.recipe import Recipe
from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run import learn
from qcompile.frontend.run_outputs import torch_outputs
from qcompile.loading import load_model
from qcompile.report import Report, report_file
from qcompile.verification import evaluate_in_chunks, verify_file

RUN_ELSEWHERE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(None, {"input": numpy.load(sys.argv[2])})[0])
print(onnxruntime.__version__)
"""


def learn_and_measure(
    recipe: str,
    run: pathlib.Path,
    data_dir: pathlib.Path,
    *,
    overrides: Sequence[str] = (),
    reference: pathlib.Path | None = None,
    old_python: pathlib.Path | None = None,
    images: int | None = None,
) -> dict[str, Any]:
    """Runs or takes up ``recipe`` in ``run``; its figures, and the checks on the first ``images`` test images."""
    loaded = load_recipe(recipe, overrides)
    resume = (run / "recipe.toml").exists()
    plan = learn(loaded, data_dir, run, resume=resume, reference=reference)
    packed = run / "packed.onnx"
    compile_file(run / "exported.onnx", packed)
    report = report_file(packed, against=run / "reference.onnx")
    test_images = load(loaded.data, data_dir).test_images[:images]
    outputs = torch_outputs(run, plan["network"], test_images)
    checks = check_everywhere(packed, outputs, test_images, old_python)
    return {
        "recipe": recipe,
        "overrides": list(overrides),
        "method": plan["method"],
        "test_error_percent": plan["test_error_percent"],
        "train_loss": plan["train_loss"],
        "bits": [layer.bits for layer in report.layers],
        "payload_bytes": report.payload_bytes,
        "formula_bytes": report.formula_bytes,
        "file_bytes": report.file_bytes,
        "compression_ratio": report.compression_ratio,
        "file_ratio": report.file_ratio,
        "checks": [vars(check) | {"passed": check.passed} for check in checks],
        "checked_images": len(test_images),
        "seed": plan["recipe"]["seed"],
        "bits_per_weight": _bits_per_weight(report),
        "epochs": _epochs(loaded, plan["iterations"]),
    }


def check_everywhere(
    packed: pathlib.Path, outputs: np.ndarray, images: np.ndarray, old_python: pathlib.Path | None
) -> list[Comparison]:
    """Torch's ``outputs``, onnxruntime with and without the kernels, and an older one against the float64 reference."""
    model = load_model(packed)
    wanted = evaluate_in_chunks(model, {"input": images})
    checks = [compare("torch, decoded weights", [outputs], wanted)]
    checks += verify_file(packed, inputs={"input": images}).comparisons
    if old_python is not None:
        version, found = run_elsewhere(old_python, packed, images)
        checks.append(compare(f"stock onnxruntime {version}", [found], wanted))
    for check in checks:
        print(check.as_text(), flush=True)
    return checks


def run_elsewhere(python: pathlib.Path, packed: pathlib.Path, images: np.ndarray) -> tuple[str, np.ndarray]:
    """The version and the logits of another environment's onnxruntime."""
    with tempfile.TemporaryDirectory() as folder:
        x, y = pathlib.Path(folder, "x.npy"), pathlib.Path(folder, "y.npy")
        np.save(x, images)
        command = [str(part) for part in (python, "-c", RUN_ELSEWHERE, packed, x, y)]
        version = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return version, np.load(y)


def _bits_per_weight(report: Report) -> float:
    """Indices, codebooks and corrections; scales of channels join those of batch normalization."""
    sizes = (layer.index_bytes + layer.codebook_bytes + layer.correction_bytes for layer in report.layers)
    return 8 * sum(sizes) / report.weights


def _epochs(recipe: Recipe, iterations: int) -> float:
    learning = recipe.learning
    return learning.first_epochs + (iterations - 1) * learning.epochs if iterations else 0.0


def failed_checks(results: Sequence[dict[str, Any]]) -> list[str]:
    """What did not keep its bound."""
    return [f"{row['recipe']}: {check['backend']}" for row in results for check in row["checks"] if not check["passed"]]


def write_figures(path: pathlib.Path, command: str, results: Any) -> None:
    """Writes the figures, whatever JSON can hold, with what they depend on."""
    figures = {
        "command": command,
        "versions": {
            "qcompile": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
            "numpy": np.__version__,
        },
        "machine": platform.machine(),
        "results": results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(figures, indent=2) + "\n").encode())
