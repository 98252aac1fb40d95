"""Learns, compiles and checks the MNIST recipes; writes docs/results/mnist.md and .json.

    python bench/mnist.py --data-dir DATA --runs RUNS [--old-python PYTHON]

DATA holds mnist/ as IDX files; RUNS keeps the run folders, and finished or interrupted ones are taken up. PYTHON is
that of an environment with the oldest supported onnxruntime. About an hour on two cores from nothing.
"""

import argparse
import pathlib
import sys
from typing import Any

from learned_runs import failed_checks, learn_and_measure, write_figures

from qcompile.files import write_atomically

# The first recipe of a network trains the float network that its others start from.
RECIPES = {
    "lenet300": ["lenet300-lc-k2", "lenet300-dc-k2", "lenet300-qp-k2", "lenet300-lc-ternary", "lenet300-lc-k4"],
    "lenet5": ["lenet5-lc-k2"],
}
OUTPUT = pathlib.Path(__file__).parent.parent / "docs" / "results" / "mnist"


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
            run = arguments.runs / recipe
            old = arguments.old_python
            results.append(learn_and_measure(recipe, run, arguments.data_dir, reference=start, old_python=old))
    command = "python bench/mnist.py --data-dir DATA --runs RUNS --old-python PYTHON"
    write_figures(OUTPUT.with_suffix(".json"), command, results)
    write_atomically(OUTPUT.with_suffix(".md"), as_markdown(results, command).encode())
    if failures := failed_checks(results):
        sys.exit(f"checks failed: {', '.join(failures)}")


if __name__ == "__main__":
    main()
