"""Learns, compiles and checks the MNIST recipes; writes docs/results/mnist.md and .json.

    python bench/mnist.py --data-dir DATA --runs RUNS [--old-python PYTHON]

DATA holds mnist/ as IDX files; RUNS keeps the run folders, and finished or interrupted ones are taken up. PYTHON is
that of an environment with the oldest supported onnxruntime. About an hour on two cores from nothing.
"""

import argparse
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
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
from qcompile.frontend.recipe_file import load_recipe
from qcompile.frontend.run import learn
from qcompile.frontend.run_outputs import torch_outputs
from qcompile.loading import load_model
from qcompile.report import report_file
from qcompile.verification import evaluate_in_chunks, verify_file

# The first recipe of a network trains the float network that its others start from.
RECIPES = {
    "lenet300": ["lenet300-lc-k2", "lenet300-dc-k2", "lenet300-qp-k2", "lenet300-lc-ternary", "lenet300-lc-k4"],
    "lenet5": ["lenet5-lc-k2"],
}
OUTPUT = pathlib.Path(__file__).parent.parent / "docs" / "results" / "mnist"
RUN_ELSEWHERE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(None, {"input": numpy.load(sys.argv[2])})[0])
print(onnxruntime.__version__)
"""


def measure(recipe: str, run: pathlib.Path, reference: pathlib.Path | None, arguments: argparse.Namespace) -> Any:
    resume = (run / "recipe.toml").exists()
    plan = learn(load_recipe(recipe), arguments.data_dir, run, resume=resume, reference=reference)
    packed = run / "packed.onnx"
    compile_file(run / "exported.onnx", packed)
    report = report_file(packed, against=run / "reference.onnx")
    images = load("mnist", arguments.data_dir).test_images
    checks = check_everywhere(run, packed, plan["network"], images, arguments.old_python)
    return {
        "recipe": recipe,
        "test_error_percent": plan["test_error_percent"],
        "bits": [layer.bits for layer in report.layers],
        "payload_bytes": report.payload_bytes,
        "formula_bytes": report.formula_bytes,
        "file_bytes": report.file_bytes,
        "compression_ratio": report.compression_ratio,
        "file_ratio": report.file_ratio,
        "checks": [vars(check) | {"passed": check.passed} for check in checks],
        "seed": plan["recipe"]["seed"],
    }


def check_everywhere(
    run: pathlib.Path, packed: pathlib.Path, network: str, images: np.ndarray, old_python: pathlib.Path | None
) -> list[Comparison]:
    model = load_model(packed)
    wanted = evaluate_in_chunks(model, {"input": images})
    checks = [compare("torch, decoded weights", [torch_outputs(run, network, images)], wanted)]
    checks += verify_file(packed, inputs={"input": images}).comparisons
    if old_python is not None:
        version, found = run_elsewhere(old_python, packed, images)
        checks.append(compare(f"stock onnxruntime {version}", [found], wanted))
    for check in checks:
        print(check.as_text(), flush=True)
    return checks


def run_elsewhere(python: pathlib.Path, packed: pathlib.Path, images: np.ndarray) -> tuple[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        x, y = pathlib.Path(folder, "x.npy"), pathlib.Path(folder, "y.npy")
        np.save(x, images)
        command = [str(part) for part in (python, "-c", RUN_ELSEWHERE, packed, x, y)]
        version = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return version, np.load(y)


def as_markdown(results: list[dict[str, Any]], command: str) -> str:
    lines = [
        "# MNIST",
        "",
        f"Written by `{command}`; figures in mnist.json.",
        "",
        "Test error on the 10,000 test images after the last iteration (no choice of the best one), one seed. DC:",
        "the trained weights compressed directly. Payload: bytes of all parameters in the packed file; the ratio is",
        "that of the formula, 32-bit floats over packed bits.",
        "",
        "| recipe | bits | float | DC | learned | payload | formula | file | ratio | by files |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in results:
        error = row["test_error_percent"]
        cells = [
            row["recipe"],
            ", ".join(map(str, row["bits"])),
            *(f"{error[stage]:.2f} %" for stage in ("reference", "direct", "learned")),
            *(f"{row[size]:,.0f}" for size in ("payload_bytes", "formula_bytes", "file_bytes")),
            *(f"{row[ratio]:.2f}" for ratio in ("compression_ratio", "file_ratio")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "## One file, every way to run it",
        "On all 10,000 test images: the largest difference of a logit to the float64 reference, that difference over",
        "its derived bound (at most 1 is right), predictions that differ, and images whose two largest logits lie",
        "closer than the bound.",
        "",
        "| recipe | run by | largest difference | of its bound | other predictions | undecided |",
        "|---|---|---|---|---|---|",
    ]
    for row in results:
        lines += [
            f"| {row['recipe']} | {check['backend']} | {check['largest_difference']:.2e} | {check['worst_ratio']:.5f} "
            f"| {check['other_predictions']} | {check['undecided']} |"
            for check in row["checks"]
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=pathlib.Path, required=True)
    parser.add_argument("--old-python", type=pathlib.Path)
    arguments = parser.parse_args()
    results = []
    for recipes in RECIPES.values():
        reference = arguments.runs / recipes[0] / "reference.safetensors"
        for recipe in recipes:
            start = None if recipe == recipes[0] else reference
            results.append(measure(recipe, arguments.runs / recipe, start, arguments))
    command = "python bench/mnist.py --data-dir DATA --runs RUNS --old-python PYTHON"
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
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(OUTPUT.with_suffix(".json"), (json.dumps(figures, indent=2) + "\n").encode())
    write_atomically(OUTPUT.with_suffix(".md"), as_markdown(results, command).encode())
    if not all(check["passed"] for row in results for check in row["checks"]):
        sys.exit("a check failed: see docs/results/mnist.md")


if __name__ == "__main__":
    main()
