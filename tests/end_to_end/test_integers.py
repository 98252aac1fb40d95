"""A network as torch exports it, in integers: near the float network, and the same on every onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from qcompile.calibration import ArrayReader  # noqa: E402
from qcompile.compiler import Integers, compile_file  # noqa: E402
from qcompile.reference import evaluate  # noqa: E402


class Network(torch.nn.Module):
    """Normalization, rectifiers with and without an end, SiLU, a residual, pooling, and two layers behind."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(8)
        self.wide = torch.nn.Conv2d(8, 16, 1)
        self.depthwise = torch.nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.narrow = torch.nn.Conv2d(16, 8, 1)
        self.last = torch.nn.Conv2d(8, 12, 3)
        self.hidden = torch.nn.Linear(12 * 9, 20)
        self.out = torch.nn.Linear(20, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        y = torch.nn.functional.silu(self.depthwise(torch.nn.functional.relu6(self.wide(x))))
        x = torch.relu(self.last(torch.nn.functional.max_pool2d(x + self.narrow(y), 2, 1)))
        x = torch.nn.functional.max_pool2d(x, 2)
        return self.out(torch.nn.functional.dropout(torch.relu(self.hidden(x.flatten(1))), 0.5, self.training))


@pytest.fixture
def exported(tmp_path):
    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(32, 3, 18, 18) + 0.5)  # statistics of the normalization
    network.eval()
    batch = {"x": {0: torch.export.Dim("batch")}}
    path = tmp_path / "e.onnx"
    torch.onnx.export(network, (torch.randn(2, 3, 18, 18),), path, dynamo=True, opset_version=18, dynamic_shapes=batch,
                      external_data=False)  # fmt: skip
    return path


def test_the_whole_network_becomes_integers(exported, tmp_path):
    x = (np.random.default_rng(0).standard_normal((40, 3, 18, 18)) + 0.5).astype(np.float32)
    name = onnx.load(exported).graph.input[0].name
    result = compile_file(exported, tmp_path / "p.onnx", integers=Integers(ArrayReader({name: x}, 10)))
    assert [layer.operator for layer in result.layers] == [
        *("IntegerConv", "IntegerConv", "IntegerConvTable", "IntegerConvAdd", "IntegerConv"),
        *("IntegerMatMul", "IntegerMatMulFloat"),
    ]
    model = onnx.load(tmp_path / "p.onnx")
    kinds = {node.op_type for node in model.graph.node if node.domain == ""}
    assert kinds <= {"Reshape"}
    [wanted], [found] = (onnxruntime.InferenceSession(p).run(None, {name: x}) for p in (exported, tmp_path / "p.onnx"))
    assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max()
    exact = evaluate(model, {name: x})[model.graph.output[0].name]
    assert not exact.error.any()
    np.testing.assert_array_equal(found, exact.value)
