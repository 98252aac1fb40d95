"""CIFAR-10 accuracy of ResNet-20 as integers, calibrated on training images; writes docs/results/integer_accuracy.*.

    python bench/integer_accuracy.py --data-dir DATA --reference FILE [--run RUN ...]

FILE holds the trained float network; each RUN is the folder of a run that learned whole numbers from it (recipe
resnet20-lc-k16). Weights that are not learned are rounded to the nearest numbers, or by second order, so that what each
layer gives on the training images changes least. The test images decide nothing: they are read once, at the end.
"""

import pathlib
import tempfile
from typing import Any

import click
import numpy as np
import torch
from learned_runs import write_figures

from qcompile import runtime
from qcompile.calibration import ArrayReader
from qcompile.compiler import Integers, compile_file
from qcompile.datasets import Dataset, load
from qcompile.files import write_atomically
from qcompile.frontend import export_onnx
from qcompile.frontend.pretrained import read_parameters
from qcompile.models import build_network
from qcompile.rounding import Plain, Rounding, SecondOrder

OUTPUT = pathlib.Path(__file__).parent.parent / "docs" / "results" / "integer_accuracy"
SAMPLES, SEED, BATCH = 1000, 0, 50
PLAIN = ((8, 8), (6, 8), (4, 8), (3, 8), (8, 6))  # bits of weights, of activations
SECOND_ORDER = ((8, 8), (4, 8), (3, 8), (2, 8))


def measure(data: Dataset, reference: pathlib.Path, runs: list[pathlib.Path]) -> list[dict[str, Any]]:
    """A row for the float network, for each pair of widths and way to round without training, and for each run."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "float.onnx"), pathlib.Path(folder, "packed.onnx")
        export_float(reference, source)
        rows = [{"weights": "float", "activations": "float", "accuracy": accuracy(source, data, library=False)}]
        ways: list[tuple[str, Rounding, tuple[tuple[int, int], ...]]]
        ways = [("to the nearest", Plain(), PLAIN), ("by second order", SecondOrder(), SECOND_ORDER)]
        for way, rounding, widths in ways:
            for weight_bits, activation_bits in widths:
                names = (f"{weight_bits} bits, rounded {way}", f"{activation_bits} bits")
                rows.append(row(names, source, target, data, (weight_bits, activation_bits), rounding))
        for run in runs:
            rows.append(row((f"{run.name}, learned", "8 bits"), run / "exported.onnx", target, data, (8, 8), Plain()))
    return rows


def row(
    names: tuple[str, str],
    source: pathlib.Path,
    target: pathlib.Path,
    data: Dataset,
    bits: tuple[int, int],
    rounding: Rounding,
) -> dict[str, Any]:
    """Compiles ``source`` with ``bits`` of weights and of activations, and measures it."""
    chosen = np.random.default_rng(SEED).permutation(len(data.train_images))[:SAMPLES]
    samples = ArrayReader({"input": data.train_images[chosen]}, BATCH)
    integers = Integers(samples, activation_bits=bits[1], weight_bits=bits[0], rounding=rounding)
    result = compile_file(source, target, integers=integers)
    return {
        "weights": names[0],
        "activations": names[1],
        "accuracy": accuracy(target, data, library=True),
        "file_bytes": result.target_bytes,
    }


def export_float(reference: pathlib.Path, path: pathlib.Path) -> None:
    """Writes the trained float network as ONNX."""
    network = build_network("resnet20")
    network.load_state_dict(read_parameters(reference))
    export_onnx(network.eval(), {}, (torch.zeros(2, *network.input_shape),), path)


def accuracy(path: pathlib.Path, data: Dataset, *, library: bool) -> float:
    """Percent of the test images that the model predicts rightly."""
    session = runtime.session(path, threads=1, library=library)
    parts = np.split(data.test_images, range(500, len(data.test_images), 500))
    logits = np.concatenate([session.run(None, {"input": part})[0] for part in parts])
    return 100 * float((logits.argmax(axis=1) == data.test_labels).mean())


def as_markdown(rows: list[dict[str, Any]], command: str) -> str:
    lines = [
        "# ResNet-20 on CIFAR-10 as integers",
        "",
        f"Written by `{command}`; figures in integer_accuracy.json.",
        "",
        f"Accuracy on the 10,000 test images; ranges of activations from {SAMPLES} training images, least squared",
        "error. Rounded by second order, weights were rounded by what the layers give on these images.",
        "",
        "| weights | activations | accuracy | against float | file |",
        "|---|---|---|---|---|",
    ]
    for entry in rows:
        size = f"{entry['file_bytes']:,}" if "file_bytes" in entry else ""
        difference = entry["accuracy"] - rows[0]["accuracy"]
        lines.append(
            f"| {entry['weights']} | {entry['activations']} | {entry['accuracy']:.2f} % | {difference:+.2f} | {size} |"
        )
    return "\n".join([*lines, ""])


@click.command(help=__doc__)
@click.option("--data-dir", type=click.Path(path_type=pathlib.Path), required=True)
@click.option("--reference", type=click.Path(path_type=pathlib.Path), required=True)
@click.option("--run", "runs", type=click.Path(path_type=pathlib.Path), multiple=True)
def main(data_dir: pathlib.Path, reference: pathlib.Path, runs: tuple[pathlib.Path, ...]) -> None:
    rows = measure(load("cifar10", data_dir), reference, list(runs))
    command = "python bench/integer_accuracy.py --data-dir DATA --reference FILE" + " --run RUN" * len(runs)
    text = as_markdown(rows, command)
    print(text)
    write_figures(OUTPUT.with_suffix(".json"), command, rows)
    write_atomically(OUTPUT.with_suffix(".md"), text.encode())


if __name__ == "__main__":
    main()
