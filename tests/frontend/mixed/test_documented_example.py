"""The example of docs/mixed-precision.md runs as it stands, on a network and data of the reader's."""

import pathlib
import re

import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from qcompile.compiler import compile_file  # noqa: E402

PAGE = pathlib.Path(__file__).parents[3] / "docs/mixed-precision.md"


def test_the_example_makes_a_file_that_compiles(tmp_path, monkeypatch, make_samples):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 16), nn.ReLU()]
    network, samples = nn.Sequential(*layers, nn.Linear(16, 3)), make_samples()
    names = {"network": network, "images": samples.images, "samples": samples, "held_out": samples, "torch": torch}
    exec(compile(code, str(PAGE), "exec"), names)
    assert names["found"].costs.average_bits <= 3
    compile_file("exported.onnx", "packed.onnx")
    session = onnxruntime.InferenceSession("packed.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": samples.images.numpy()})
    assert (logits.argmax(axis=1) == samples.labels.numpy()).mean() > 0.6  # a third by chance
