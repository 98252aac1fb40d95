"""A network with scaled and corrected weights, from its C step to the packed file on every backend."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from qcompile import reference, runtime  # noqa: E402
from qcompile.compiler import compile_file  # noqa: E402
from qcompile.frontend.codebooks import Adaptive, ScaledTernary  # noqa: E402
from qcompile.frontend.corrections import Corrected  # noqa: E402
from qcompile.frontend.export import export_onnx  # noqa: E402
from qcompile.kernel_choice import kernels_of  # noqa: E402
from qcompile.report import report_file  # noqa: E402
from qcompile.verification import verify_file  # noqa: E402


class Network(torch.nn.Module):
    """Plain, grouped, depthwise and 1 x 1 convolutions with batch normalization, and fully connected layers."""

    def __init__(self):
        super().__init__()
        self.plain = torch.nn.Conv2d(2, 8, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(8)
        self.depthwise = torch.nn.Conv2d(8, 8, 3, stride=2, dilation=2, padding=2, groups=8)
        self.grouped = torch.nn.Conv2d(8, 6, 3, groups=2, bias=False)
        self.last_norm = torch.nn.BatchNorm2d(6)
        self.hidden = torch.nn.Linear(24, 20)
        self.out = torch.nn.Linear(20, 4, bias=False)

    def forward(self, x):
        x = torch.relu(self.norm(self.plain(x)))
        x = torch.relu(self.last_norm(self.grouped(self.depthwise(x))))
        return self.out(torch.tanh(self.hidden(x.flatten(1))))


def scaled(weight):
    """``weight`` times another positive factor for each channel: what a C step with scales hands on."""
    factors = torch.linspace(0.5, 2, weight.indices.shape[0])
    return dataclasses.replace(weight, scale=factors)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Network()
    for norm in (network.norm, network.last_norm):
        for tensor in (norm.running_var, norm.weight.data):
            tensor.uniform_(0.5, 2)
        for tensor in (norm.running_mean, norm.bias.data):
            tensor.uniform_(-1, 1)
    return network.eval()


@pytest.fixture(scope="module")
def weights(network):
    kinds = {
        "plain.weight": Corrected(Adaptive(4), 0.05),
        "depthwise.weight": Corrected(Adaptive(2, "channel"), 0.1),
        "grouped.weight": ScaledTernary(),
        "hidden.weight": Corrected(ScaledTernary(), 0.02),
        "out.weight": Corrected(Adaptive(3), 0.2),
    }
    fitted = {name: kind.fit(network.get_parameter(name)) for name, kind in kinds.items()}
    fitted |= {name: scaled(fitted[name]) for name in ("plain.weight", "grouped.weight", "out.weight")}
    with torch.no_grad():
        for name, weight in fitted.items():
            network.get_parameter(name).copy_(weight.decode())
    return fitted


@pytest.fixture(scope="module")
def files(network, weights, tmp_path_factory):
    """The network exported as float, exported with lookups, and packed."""
    folder = tmp_path_factory.mktemp("corrected")
    float_path, exported, packed = (folder / name for name in ("float.onnx", "exported.onnx", "packed.onnx"))
    export_onnx(network, {}, (torch.zeros(2, 2, 8, 8),), float_path)
    export_onnx(network, weights, (torch.zeros(2, 2, 8, 8),), exported)
    assert compile_file(exported, packed).left_alone == ()
    return float_path, exported, packed


def test_corrected_weights_run_on_every_backend_as_in_torch(network, files, monkeypatch):
    _, exported, packed = files
    assert verify_file(packed).passed

    x = torch.randn(5, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    # The bound of the packed model and that of the exported one, which torch evaluates in float32 as well.
    values = [reference.evaluate(onnx.load(path), {"input": x.numpy()})["output"] for path in (exported, packed)]
    bound = values[0].error + values[1].error
    found = {"torch": network(x).detach().numpy(), "exported": run(exported, x), "functions": run(packed, x)}
    for isa in runtime.runtime_info().isas:
        monkeypatch.setenv("QCOMPILE_FORCE_ISA", isa)
        found[isa] = runtime.session(packed).run(None, {"input": x.numpy()})[0]
    assert np.isfinite(bound).all()
    for name, y in found.items():
        assert (np.abs(y - values[1].value) <= bound).all(), name


def run(path, x):
    return onnxruntime.InferenceSession(path).run(None, {"input": x.numpy()})[0]


def test_the_report_counts_what_learning_corrected(files):
    float_path, _, packed = files
    report = report_file(packed, against=float_path, kernels_of=kernels_of)
    assert [layer.corrections for layer in report.layers] == [7, 7, 0, 10, 16]
    assert [layer.correction_bytes for layer in report.layers] == [42, 42, 0, 60, 96]
    assert report.payload_bytes == sum(layer.total_bytes for layer in report.layers)
    # The float file holds the decoded weights, so the only noise is rounding: 2^-24 is 144 dB, a few of them remain.
    assert all(layer.weight_sqnr_db > 130 for layer in report.layers)
