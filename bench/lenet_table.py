"""LeNet300 and LeNet5 on MNIST: learning, direct and iterated direct compression for 2 to 64 entries a layer."""

import argparse
import pathlib
from typing import Any

from learned_runs import learn_and_measure

ENTRIES = (2, 4, 8, 16, 32, 64)
METHODS = {"lc": "LC", "iterated-direct": "iDC"}


def measure(network: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each number of entries and method; the first run trains the float network for all."""
    rows = []
    reference = None
    for entries in ENTRIES:
        recipe = f"{network}-lc-k2" if entries == 2 else f"{network}-lc-k4"
        for method in METHODS:
            run = arguments.runs / f"{network}-{method}-k{entries}"
            overrides = [f'method="{method}"', f'layers."*".entries={entries}', *arguments.overrides]
            row = learn_and_measure(
                recipe,
                run,
                arguments.data_dir,
                overrides=overrides,
                reference=reference,
                old_python=arguments.old_python,
            )
            rows.append(row | {"network": network, "entries": entries})
            reference = reference or pathlib.Path(run / "reference.safetensors")
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Test error and training loss side by side, then the checks."""
    float_error = rows[0]["test_error_percent"]["reference"]
    float_loss = rows[0]["train_loss"]["reference"]
    lines = [
        f"## {rows[0]['network']} on MNIST",
        "",
        f"Float network: test error {float_error:.2f} %, training loss {float_loss:.5f}. One codebook of K free values",
        "a layer; test error in percent and mean training loss of the network that is deployed, after the last",
        "iteration, one seed. DC: the trained weights compressed directly; iDC: trained again from there and",
        "compressed again, as often and as long as LC trains. Ratio: 32-bit floats over packed bits, biases and",
        "codebooks counted.",
        "Other predictions: on all 10,000 test images, of torch, onnxruntime with and without the kernels against the",
        "float64 reference.",
        "",
        "| K | ratio | LC error | iDC error | DC error | LC loss | iDC loss | DC loss | other predictions |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    by_entries: dict[int, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_entries.setdefault(row["entries"], {})[row["method"]] = row
    for entries, methods in by_entries.items():
        lc, idc = methods["lc"], methods["iterated-direct"]
        others = sum(check["other_predictions"] for row in (lc, idc) for check in row["checks"])
        errors = (lc["test_error_percent"]["learned"], idc["test_error_percent"]["learned"])
        losses = (lc["train_loss"]["learned"], idc["train_loss"]["learned"])
        cells = [str(entries), f"{lc['compression_ratio']:.2f}"]
        cells += [f"{error:.2f}" for error in (*errors, lc["test_error_percent"]["direct"])]
        cells += [f"{loss:.5f}" for loss in (*losses, lc["train_loss"]["direct"])]
        lines.append(f"| {' | '.join([*cells, str(others)])} |")
    return "\n".join(lines) + "\n"
