"""LeNet300 with learned bit-widths against one number of entries for all layers, at equal bytes and between."""

import argparse
from typing import Any

from learned_runs import learn_and_measure

WIDTHS = [1, 2, 3, 4]
WEIGHTS = 266_200
UNIFORM = (2, 4)
# Bytes of indices and codebooks: of 1.5 bits a weight, and of what four entries in every layer take.
BUDGETS = {"learned, 1.5 bits": WEIGHTS * 3 // 16, "learned, bytes of K = 4": WEIGHTS // 4 + 3 * 4 * 4}


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The uniform rows are the runs of the LeNet300 table, trained here if they are not there yet."""
    rows = []
    reference = None
    for entries in UNIFORM:
        recipe = "lenet300-lc-k2" if entries == 2 else "lenet300-lc-k4"
        run = arguments.runs / f"lenet300-lc-k{entries}"
        overrides = ['method="lc"', f'layers."*".entries={entries}']
        rows.append(_row(f"K = {entries}", recipe, run, overrides, arguments, reference))
        reference = reference or run / "reference.safetensors"
    for name, size_bytes in BUDGETS.items():
        rule = f'{{codebook="learned-widths", weight_bytes={size_bytes}, widths={WIDTHS}}}'
        run = arguments.runs / f"lenet300-learned-{size_bytes}"
        rows.append(_row(name, "lenet300-lc-k4", run, [f'layers."*"={rule}'], arguments, reference))
    return sorted(rows, key=lambda row: row["bits_per_weight"])


def _row(
    name: str, recipe: str, run: Any, overrides: list[str], arguments: argparse.Namespace, reference: Any
) -> dict[str, Any]:
    measured = learn_and_measure(
        recipe,
        run,
        arguments.data_dir,
        overrides=[*overrides, *arguments.overrides],
        reference=reference,
        old_python=arguments.old_python,
    )
    return measured | {"name": name}


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Errors and losses by bits a weight."""
    lines = [
        "## Learned bit-widths on LeNet300",
        "",
        "The C step chooses 1 to 4 bits for each layer within a budget; beside it one number of entries for all.",
        "Bits a weight: indices and codebooks of the packed file over the weights. One seed.",
        "",
        "| codebooks | bits by layer | bits a weight | parameters | test error | training loss | other predictions |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row["name"],
            ", ".join(map(str, row["bits"])),
            f"{row['bits_per_weight']:.3f}",
            f"{row['payload_bytes']:,} bytes",
            f"{row['test_error_percent']['learned']:.2f} %",
            f"{row['train_loss']['learned']:.5f}",
            str(sum(check["other_predictions"] for check in row["checks"])),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
