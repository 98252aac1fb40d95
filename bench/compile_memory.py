"""The memory that compiling takes; writes docs/results/compile_memory.md and .json.

    python bench/compile_memory.py [--megabytes 256,1024,2253] [--ways bits,calibration] [--output docs/results]

A model is a row of MatMul by 4096 x 4096 random floats and Relu, seeded, its weights in a file beside it. Each is
compiled to 4 bits by the command in a process of its own; what the kernel says of that process (files that are mapped
counted too) is put over the size of the weights. The process that only imports the compiler stands first.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass

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
    "calibration": ("--bits", "4", "--calibration", "samples.npz"),
}
COMPILE = "from qcompile.__main__ import main; main()"
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
    parser.add_argument("--megabytes", default="256,1024,2253", help="sizes of the weights")
    parser.add_argument("--ways", default="bits,calibration", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the folder of the page")
    arguments = parser.parse_args()
    rows = []
    for megabytes in map(int, arguments.megabytes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            weight_bytes = write_model(pathlib.Path(folder), -(-megabytes * MEBIBYTE // LAYER_BYTES))
            for way in arguments.ways.split(","):
                rows.append(measure(pathlib.Path(folder), way, weight_bytes))
                print(_line(rows[-1]), flush=True)
    publish(arguments.output, rows, f"python bench/compile_memory.py --megabytes {arguments.megabytes}")


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
    peak, seconds = run([COMPILE, "compile", "model.onnx", "-o", target.name, *WAYS[way]], folder)
    return Row(way, weight_bytes, peak, seconds, target.stat().st_size)


def run(arguments: list[str], folder: pathlib.Path) -> tuple[int, float]:
    """The most bytes that Python took at once for the code and the ``arguments``, and its seconds of processor time.

    Ends this process if it fails.
    """
    process = subprocess.Popen([sys.executable, "-c", *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {' '.join(arguments[1:])} failed")
    return usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def publish(folder: pathlib.Path, rows: list[Row], command: str) -> None:
    """Writes the figures and the page to ``folder``."""
    empty, _ = run([IMPORT], folder)
    results = {"import_bytes": empty, "rows": [asdict(row) | {"ratio": row.ratio} for row in rows]}
    write_figures(folder / "compile_memory.json", command, results)
    lines = [
        "# Memory that compiling takes",
        "",
        f"Written by `{command}`; figures in compile_memory.json.",
        f"Rows of MatMul by {WIDTH} x {WIDTH} floats, seeded, the weights in a file beside the model, to 4 bits: bits",
        f"is `--bits 4 --weights grid`, codebooks `--bits 4`, calibration `--calibration` of {SAMPLES} rows. Memory is",
        f"the most that was resident at once, mapped files and the {empty // MEBIBYTE} MB of Python with all imports",
        "among it. Seconds are those of the processor, one thread.",
        "",
        "| way | weights, MB | memory, MB | times the weights | processor, s | file, MB |",
        "|---|---|---|---|---|---|",
        *map(_line, rows),
    ]
    write_atomically(folder / "compile_memory.md", ("\n".join(lines) + "\n").encode())


def _line(row: Row) -> str:
    sizes = [f"{size / MEBIBYTE:,.0f}" for size in (row.weight_bytes, row.peak_bytes, row.packed_bytes)]
    return f"| {row.way} | {sizes[0]} | {sizes[1]} | {row.ratio:.2f} | {row.seconds:.0f} | {sizes[2]} |"


if __name__ == "__main__":
    main()
