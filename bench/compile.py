"""Trained float networks compiled without training; each writes docs/results/compile-NETWORK.json, compile.md has all.

    python bench/compile.py resnet20           --data-dir DATA --reference FILE
    python bench/compile.py resnet56           --data-dir DATA --reference FILE
    python bench/compile.py efficientnet-lite0 --data-dir DATA --reference FILE
    python bench/compile.py dscnn              --data-dir DATA --reference FILE

FILE holds the trained weights: of DS-CNN as Keras saves them, in an .npz, of the others as torch does. The data that
judges decides nothing: it is read at the end of each row.
"""

import argparse
import json
import pathlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compile_networks import Case, cifar_case, imagenet_case, keywords_case
from compile_ways import Way, measure
from learned_runs import write_figures

from qcompile.errors import QCompileError
from qcompile.files import write_atomically

RESULTS = pathlib.Path(__file__).parent.parent / "docs" / "results"
MakeCase = Callable[[str, pathlib.Path, pathlib.Path, pathlib.Path], Case]


@dataclass(frozen=True)
class Network:
    """How a network is compiled: what it is called on the page, its data, and the ways."""

    title: str
    make_case: MakeCase
    ways: tuple[Way, ...]


CODEBOOKS = tuple(Way(bits, 8, values="codebook") for bits in (4, 3, 2))
NETWORKS = {
    "resnet20": Network(
        "ResNet-20 on CIFAR-10", cifar_case, (Way(8, 8), Way(4, 8, 0.5), Way(3, 8, 1.5), Way(2, 8), *CODEBOOKS)
    ),
    "resnet56": Network(
        "ResNet-56 on CIFAR-10", cifar_case, (Way(8, 8), Way(4, 8, 0.4), Way(3, 8, 1.5), Way(2, 8), *CODEBOOKS)
    ),
    "efficientnet-lite0": Network(
        "EfficientNet-Lite0 on ImageNet", imagenet_case, (Way(8, 8, 1.0), Way(4, 8, 2.5), Way(4, 8, 2.5, "codebook"))
    ),
    "dscnn": Network("DS-CNN on spoken words", keywords_case, (Way(8, 8), Way(4, 8, 1.5), Way(3, 8), *CODEBOOKS)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--reference", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the folder of the page")
    arguments = parser.parse_args()
    try:
        run(arguments.network, arguments.data_dir, arguments.reference, arguments.output)
    except QCompileError as error:
        sys.exit(f"error: {error}")


def run(name: str, data_dir: pathlib.Path, reference: pathlib.Path, output: pathlib.Path) -> None:
    """Measures one network, and writes its figures and the page."""
    network = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        case = network.make_case(name, reference, data_dir, pathlib.Path(folder))
        rows = measure(case, network.ways, rival=True)
    command = f"python bench/compile.py {name} --data-dir DATA --reference FILE"
    write_figures(output / f"compile-{name}.json", command, {"what": case.what, "rows": rows})
    write_page(output)


def write_page(folder: pathlib.Path) -> None:
    """Writes compile.md from the figures of every network that is in ``folder``."""
    lines = [
        "# Float networks compiled without training",
        "",
        "Written by `bench/compile.py`; the command of each table stands with it. Bits are those of weights and of",
        "activations. Weights are rounded by second order on what calibrates. Bytes are those of the file, then",
        "those without the operators' portable bodies.",
    ]
    for name, network in NETWORKS.items():
        path = folder / f"compile-{name}.json"
        if path.exists():
            figures = json.loads(path.read_text())
            lines += [
                "",
                f"## {network.title}",
                "",
                figures["results"]["what"],
                "",
                *_table(figures["results"]["rows"]),
            ]
            lines += ["", f"`{figures['command']}`; figures in {path.name}."]
    write_atomically(folder / "compile.md", ("\n".join(lines) + "\n").encode())


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| bits | accuracy | against float | wanted | bytes | without bodies |", "|---|---|---|---|---|---|"]
    for row in rows:
        drop = row.get("wanted_drop")
        wanted = "" if drop is None else f"at most -{drop}"
        bare = row.get("bytes_without_functions")
        lines.append(
            f"| {row['way']} | {row['accuracy']:.2f} % | {row['accuracy'] - rows[0]['accuracy']:+.2f} | {wanted} | "
            f"{row['bytes']:,} | {'' if bare is None else f'{bare:,}'} |"
        )
    return lines


if __name__ == "__main__":
    main()
