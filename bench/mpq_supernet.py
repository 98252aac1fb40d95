"""One supernet: its accuracy at uniform bits, beside what was published of single models for several widths."""

import argparse
from collections.abc import Callable
from typing import Any

from mpq_markdown import duration, giga, percent, table
from mpq_run import describe_recipe, load_one_shot, main_run, open_supernet, train

from qcompile.search import uniform_plan

WIDTHS = (8, 6, 5, 4, 3, 2)
# Accuracies of ResNet-20 on CIFAR-10, percent, by bits of weights and activations.
ANCHORS = (
    ("one model, 8, 6, 4 and 2 bits: Double Rounding", {8: 92.25, 6: 92.32, 4: 92.09, 2: 90.19}),
    ("one model, 4, 3 and 2 bits: Double Rounding", {4: 91.79, 3: 91.83, 2: 88.88}),
    ("a model for each width: APoT", {4: 92.45, 3: 92.49, 2: 90.96}),
    ("a model for each width: PACT", {5: 91.6, 4: 90.8, 3: 90.6, 2: 88.9}),
)
SOURCES = [
    "Published figures, not measured here. Double Rounding: Huang et al., arXiv 2502.01199, table 4: 200 epochs,",
    "batches of 128, no distillation, from a float network of 92.30 %. APoT (float 92.96 %): the README of its",
    "repository; its levels are no uniform grid. PACT: the paper's figures, as the repository KwangHoonAn/PACT",
    "quotes them.",
]


def measure(arguments: argparse.Namespace, save: Callable[[Any], None]) -> None:
    """Trains the supernet or takes it up; its figures."""
    recipe = load_one_shot(arguments.recipe, arguments.overrides)
    plan, seconds = train(recipe, main_run(arguments), arguments.data_dir, arguments.reference)
    opened = open_supernet(main_run(arguments), arguments.data_dir)
    save(
        {
            "recipe": describe_recipe(recipe),
            "seconds": seconds,
            "reference": 100 - plan["test_error_percent"]["reference"],
            "test_images": len(opened.run.test.labels),
            "held_out_images": len(opened.run.held_out.labels),
            "uniform": [
                {
                    "bits": bits,
                    "accuracy": 100 - plan["test_error_percent"][f"{bits} bits"],
                    "held_out_loss": plan["held_out_loss"][f"{bits} bits"],
                    "bit_operations": costs.bit_operations,
                    "packed_bytes": costs.packed_bytes,
                }
                for bits in WIDTHS
                if f"{bits} bits" in plan["test_error_percent"]
                for costs in [opened.space.costs(uniform_plan(opened.space, bits))]
            ],
        }
    )


def as_markdown(found: dict[str, Any]) -> str:
    """A column a width; below our own figures what others published, for the same network and data."""
    recipe = found["recipe"]
    lines = [
        f"## One supernet: {recipe['network']} on {recipe['data']}",
        "",
        f"Float network: {percent(found['reference'])} of the {found['test_images']:,} test images right. One",
        f"training of {recipe['epochs']} epochs, {recipe['passes_a_step']} passes a step: {recipe['passes']} passes",
        f"over the images, {duration(found['seconds'])} on {recipe['threads']} threads; seed {recipe['seed']}.",
        "Accuracy where all layers have as many bits of weights and of activations, or the nearest that they can",
        f"have; batch statistics computed for each from training images. {found['held_out_images']:,} training",
        "images were not trained on.",
        "",
        *table(["", *(f"{each['bits']} bits" for each in found["uniform"])], _rows(found)),
    ]
    if is_published(recipe):
        lines += ["", *SOURCES]
    return "\n".join(lines) + "\n"


def is_published(recipe: dict[str, Any]) -> bool:
    """Whether the anchors are of this network and data."""
    return (recipe["network"], recipe["data"]) == ("resnet20", "cifar10")


def _rows(found: dict[str, Any]) -> list[list[str]]:
    uniform = found["uniform"]
    rows = [
        ["**this supernet**", *(f"**{percent(each['accuracy'])}**" for each in uniform)],
        ["bit operations of an image", *(giga(each["bit_operations"]) for each in uniform)],
        ["packed bytes", *(f"{each['packed_bytes']:,}" for each in uniform)],
    ]
    if is_published(found["recipe"]):
        rows += [[name, *(percent(known.get(each["bits"])) for each in uniform)] for name, known in ANCHORS]
    return rows
