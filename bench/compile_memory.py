"""The memory that compiling takes: compile_memory-MEGABYTES-WAY.json for each, docs/results/compile_memory.md has all.

    python bench/compile_memory.py MEGABYTES WAY [--output docs/results]

A model is a row of MatMul by 4096 x 4096 random floats and Relu, seeded, its weights in a file beside it. It is
compiled by the command in a process of its own; what the kernel says of that process (files that are mapped counted
too) is put over the size of the weights.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
import onnx.helper
from learned_runs import write_figures

from qcompile.files import write_atomically

RESULTS = pathlib.Path(__file__).parent.parent / "docs" / "results"
WIDTH = 4096
LAYER_BYTES = 4 * WIDTH * WIDTH
SAMPLES = 64
MEBIBYTE = 1 << 20
WAYS = {
    "bits": ("--bits", "4", "--weights", "grid"),
    "codebooks": ("--bits", "4"),
    "plain": ("--bits", "4", "--calibration", "samples.npz", "--rounding", "plain"),
    "calibration": ("--bits", "4", "--calibration", "samples.npz"),
    "calibration8": ("--bits", "8", "--calibration", "samples.npz"),
}
# What the kernel says of this process alone: what it says of an ended child counts its parent, too, before the start.
MEASURED = """
import resource
{work}
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
used = resource.getrusage(resource.RUSAGE_SELF)
print(peak, used.ru_utime + used.ru_stime)
"""
COMPILE = "import sys; from qcompile.cli import main; main(sys.argv[1:], standalone_mode=False)"
IMPORT = "import qcompile.compiler"


@dataclass(frozen=True)
class Row:
    """What one compilation took: bytes of the weights, of memory at most and of the file, and seconds."""

    way: str
    weight_bytes: int
    peak_bytes: int
    seconds: float
    packed_bytes: int

    @property
    def ratio(self) -> float:
        """The memory over the size of the weights."""
        return self.peak_bytes / self.weight_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", type=int, help="the size of the weights")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the folder of the page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        weight_bytes = write_model(folder, -(-arguments.megabytes * MEBIBYTE // LAYER_BYTES))
        row = measure(folder, arguments.way, weight_bytes)
    figures = arguments.output / f"compile_memory-{arguments.megabytes}-{arguments.way}.json"
    command = f"python bench/compile_memory.py {arguments.megabytes} {arguments.way}"
    write_figures(figures, command, asdict(row) | {"ratio": row.ratio})
    write_page(arguments.output)


def write_model(folder: pathlib.Path, layers: int) -> int:
    """Writes model.onnx, weights.bin and samples.npz to ``folder``; the bytes of the weights."""
    random = np.random.default_rng(0)
    graph = onnx.GraphProto(name="large")
    with open(folder / "weights.bin", "wb") as file:
        for layer in range(layers):
            weight = random.standard_normal((WIDTH, WIDTH), np.float32) * np.float32((2 / WIDTH) ** 0.5)
            graph.initializer.append(_external(f"layer{layer}.weight", file.tell()))
            file.write(weight.tobytes())
            names = [f"x{layer}", f"product{layer}", f"x{layer + 1}"]
            graph.node.append(onnx.helper.make_node("MatMul", [names[0], f"layer{layer}.weight"], [names[1]]))
            graph.node.append(onnx.helper.make_node("Relu", [names[1]], [names[2]]))
    value = onnx.helper.make_tensor_value_info
    graph.input.append(value("x0", onnx.TensorProto.FLOAT, ["rows", WIDTH]))
    graph.output.append(value(f"x{layers}", onnx.TensorProto.FLOAT, ["rows", WIDTH]))
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(folder / "samples.npz", x0=random.standard_normal((SAMPLES, WIDTH), np.float32))
    return layers * LAYER_BYTES


def _external(name: str, offset: int) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name=name, dims=[WIDTH, WIDTH], data_type=onnx.TensorProto.FLOAT)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, text in (("location", "weights.bin"), ("offset", offset), ("length", LAYER_BYTES)):
        tensor.external_data.add(key=key, value=str(text))
    return tensor


def measure(folder: pathlib.Path, way: str, weight_bytes: int) -> Row:
    """Compiles the model in ``folder`` in a process of its own."""
    target = folder / "packed.onnx"
    peak, seconds = run(COMPILE, ["compile", "model.onnx", "-o", target.name, *WAYS[way]], folder)
    return Row(way, weight_bytes, peak, seconds, target.stat().st_size)


def run(work: str, arguments: list[str], folder: pathlib.Path) -> tuple[int, float]:
    """The most bytes that a Python took at once for ``work`` with ``arguments``, and its seconds of processor time.

    Ends this process if it fails.
    """
    command = [sys.executable, "-c", MEASURED.format(work=work), *arguments]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(arguments)} failed")
    kibibytes, seconds = done.stdout.splitlines()[-1].split()
    return 1024 * int(kibibytes), float(seconds)


def write_page(folder: pathlib.Path) -> None:
    """Writes compile_memory.md from all figures that are in ``folder``."""
    found = [json.loads(path.read_text())["results"] for path in folder.glob("compile_memory-*.json")]
    rows = sorted(found, key=lambda row: (list(WAYS).index(row["way"]), row["weight_bytes"]))
    imports, _ = run(IMPORT, [], folder)
    lines = [
        "# Memory that compiling takes",
        "",
        "Written by `python bench/compile_memory.py MEGABYTES WAY`; figures in compile_memory-MEGABYTES-WAY.json.",
        f"Rows of MatMul by {WIDTH} x {WIDTH} floats, seeded, the weights in a file beside the model. Memory is the",
        f"most that was resident at once, mapped files and the {imports // MEBIBYTE} MB of Python with all imports",
        f"among it. Seconds are those of the processor, one thread. samples.npz has {SAMPLES} rows.",
        "",
        "| compile | weights, MB | memory, MB | times the weights | processor, s | file, MB |",
        "|---|---|---|---|---|---|",
        *map(_line, rows),
    ]
    write_atomically(folder / "compile_memory.md", ("\n".join(lines) + "\n").encode())


def _line(row: dict[str, Any]) -> str:
    sizes = [f"{row[name] / MEBIBYTE:,.0f}" for name in ("weight_bytes", "peak_bytes", "packed_bytes")]
    way = f"`{' '.join(WAYS[row['way']])}`"
    return f"| {way} | {sizes[0]} | {sizes[1]} | **{row['ratio']:.2f}** | {row['seconds']:.0f} | {sizes[2]} |"


if __name__ == "__main__":
    main()
