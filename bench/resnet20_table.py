"""CIFAR-10 ResNet-20 with every weight quantized, from trained float weights."""

import argparse
import statistics
from typing import Any

from learned_runs import learn_and_measure

RECIPES = (
    "resnet20-lc-k2",
    "resnet20-lc-ternary",
    "resnet20-lc-k4",
    "resnet20-lc-tensor-k2",
    "resnet20-lc-learned",
    "resnet20-lc-tensor-k4",
)
CHECKED_IMAGES = 1000


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each recipe and seed."""
    return [
        learn_and_measure(
            recipe,
            arguments.runs / f"{recipe}-seed{seed}",
            arguments.data_dir,
            overrides=[f"seed={seed}", *arguments.overrides],
            reference=arguments.reference,
            old_python=arguments.old_python,
            images=CHECKED_IMAGES,
        )
        for recipe in RECIPES
        if recipe in arguments.recipes
        for seed in arguments.seeds
    ]


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Accuracies, and for the learned widths the line between the uniform neighbours."""
    lines = [
        "## ResNet-20 on CIFAR-10, all weights quantized, first and last layer too",
        "",
        f"Float network: {100 - rows[0]['test_error_percent']['reference']:.2f} % of the test images right.",
        "Accuracies after the last iteration, batch statistics from training images; the float network taught. k2,",
        "ternary and k4 have a scale for each output channel, which joins that of batch normalization; tensor-k2,",
        "learned and tensor-k4 have one codebook a layer. Bits a weight: indices and codebooks of the packed file over",
        f"the weights. Epochs: what one run was trained for. Other predictions: on the first {CHECKED_IMAGES:,} test",
        "images, torch and every way to run the file against the float64 reference.",
        "",
        "| recipe | bits a weight | DC | LC | seeds | epochs | packed parameters | other predictions |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for recipe in RECIPES:
        of_recipe = [row for row in rows if row["recipe"] == recipe]
        if of_recipe:
            lines.append(_line(recipe, of_recipe))
    return "\n".join(lines) + "\n"


def _line(recipe: str, rows: list[dict[str, Any]]) -> str:
    learned = [100 - row["test_error_percent"]["learned"] for row in rows]
    spread = f" ± {statistics.stdev(learned):.2f}" if len(learned) > 1 else ""
    cells = [
        recipe,
        f"{statistics.mean(row['bits_per_weight'] for row in rows):.2f}",
        f"{100 - rows[0]['test_error_percent']['direct']:.2f} %",
        f"{statistics.mean(learned):.2f}{spread} %",
        str(len(rows)),
        f"{rows[0]['epochs']:g}",
        f"{rows[0]['payload_bytes']:,} bytes",
        str(sum(check["other_predictions"] for row in rows for check in row["checks"])),
    ]
    return f"| {' | '.join(cells)} |"
