"""The memory that compiling takes: the peak of a process of its own over that with a model of nearly nothing."""

import subprocess
import sys

import numpy as np
import onnx
import onnx.helper
import pytest

WIDTH = 1024
LAYER_BYTES = 4 * WIDTH * WIDTH
LAYERS = 16  # 64 MB: as little as is run a stage at a time
# By way, the options and how many times the weights are taken at most. What one layer takes while it is rounded, the
# sessions of a stage, matrices of moments and of doubles, does not grow with the number of layers, and is among it.
WAYS = {
    "grid": (["--bits", "8", "--weights", "grid"], 1.5),
    "plain": (["--bits", "8", "--calibration", "samples.npz", "--rounding", "plain"], 2.0),
    "by outputs": (["--bits", "8", "--calibration", "samples.npz"], 2.5),
}
COMPILE = """
import sys
from qcompile.cli import main
main(sys.argv[1:], standalone_mode=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def write_model(folder, width, layers, *, outside):
    """A row of MatMul and Relu, its weights in the model or in a file beside it, and samples for it."""
    random = np.random.default_rng(0)
    graph, value = onnx.GraphProto(name="row"), onnx.helper.make_tensor_value_info
    for number in range(layers):
        weight = random.standard_normal((width, width), np.float32) * np.float32((2 / width) ** 0.5)
        graph.initializer.append(onnx.numpy_helper.from_array(weight, f"w{number}"))
        graph.node.append(onnx.helper.make_node("MatMul", [f"x{number}", f"w{number}"], [f"p{number}"]))
        graph.node.append(onnx.helper.make_node("Relu", [f"p{number}"], [f"x{number + 1}"]))
    graph.input.append(value("x0", onnx.TensorProto.FLOAT, ["rows", width]))
    graph.output.append(value(f"x{layers}", onnx.TensorProto.FLOAT, ["rows", width]))
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx", save_as_external_data=outside, location="weights.bin")
    np.savez(folder / "samples.npz", x0=random.standard_normal((4, width), np.float32))


def peak_bytes(folder, options):
    command = [sys.executable, "-c", COMPILE, "compile", "model.onnx", "-o", "packed.onnx", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return 1024 * int(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders with a model: of nearly nothing, and of 64 MB in the file or beside it."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "tiny", 16, 2, outside=False)
    write_model(folder / "inside", WIDTH, LAYERS, outside=False)
    write_model(folder / "outside", WIDTH, LAYERS, outside=True)
    return folder


@pytest.mark.parametrize(("name", "way"), [("inside", "grid"), ("outside", "plain"), ("outside", "by outputs")])
def test_compiling_takes_few_times_the_memory_of_the_weights(models, name, way):
    options, most = WAYS[way]
    taken = peak_bytes(models / name, options) - peak_bytes(models / "tiny", options)
    assert taken <= most * LAYERS * LAYER_BYTES
