"""What is exported computes, to the last bit where sums are exact, what the supernet computes."""

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from qcompile.bit_plan import LayerBits  # noqa: E402
from qcompile.frontend.mixed.candidates import select_candidates  # noqa: E402
from qcompile.frontend.mixed.deployed import deploy  # noqa: E402
from qcompile.frontend.mixed.export_plan import export_supernet  # noqa: E402
from qcompile.frontend.mixed.supernet import build_supernet, recalibrate  # noqa: E402

PLAN = {
    "first": LayerBits(8, 8),
    "second": LayerBits(2, 3),
    "shortcut": LayerBits(5, 4),
    "third": LayerBits(4, 8),
    "last": LayerBits(8, 8),
}


class Block(nn.Module):
    """Two ways to a sum, behind it a layer that may read its 8 bits as they are, and a classifier."""

    def __init__(self, normalize: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8) if normalize else nn.Identity()
        self.shortcut = nn.Conv2d(6, 8, 1, stride=2)
        self.third = nn.Conv2d(8, 4, 3, groups=2)
        self.last = nn.Linear(4, 3)

    def forward(self, images):
        x = torch.relu(self.first(images))
        x = torch.relu(self.norm(self.second(x)) + self.shortcut(x))
        return self.last(torch.relu(self.third(x)).mean(dim=(2, 3)))


def images(count, seed=0):
    """Numbers that are whole multiples of 1/64, below zero too."""
    return torch.randint(-128, 128, (count, 2, 8, 8), generator=torch.Generator().manual_seed(seed)) / 64


def supernet(steps_per="layer", **options):
    torch.manual_seed(0)
    network = Block(**options)
    made = build_supernet(network, select_candidates(network, {}), images(2), images(16), steps_per=steps_per)
    made.choose(PLAN)
    return made.eval()


def make_exact(made):
    """Steps and biases become powers of two and multiples of one, so that float32 rounds no sum."""
    with torch.no_grad():
        for step in made.steps():
            step.copy_(2.0 ** torch.floor(torch.log2(step)))
        for layer in made.layers.values():
            if layer.bias is not None:
                layer.bias.copy_(torch.round(layer.bias * 16) / 16)


def run(path, batch):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": batch.numpy()})[0]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("steps_per", ["layer", "channel"])
def test_a_deployed_network_computes_what_the_supernet_does(normalize, steps_per):
    made = supernet(steps_per, normalize=normalize)
    recalibrate(made, [images(16)])
    with torch.no_grad():
        torch.testing.assert_close(deploy(made)(images(5, 1)), made(images(5, 1)), rtol=0, atol=0)


@pytest.mark.parametrize("steps_per", ["layer", "channel"])
def test_the_exported_file_gives_the_very_numbers(tmp_path, steps_per):
    made = supernet(steps_per)
    make_exact(made)
    export_supernet(made, images(2), tmp_path / "net.onnx")
    with torch.no_grad():
        wanted = made(images(7, 1)).numpy()
    assert len(np.unique(wanted)) > 7  # no constant network
    np.testing.assert_array_equal(run(tmp_path / "net.onnx", images(7, 1)), wanted)


def test_weights_are_codes_that_fit_their_bits(tmp_path):
    made = supernet(normalize=True)
    export_supernet(made, images(2), tmp_path / "net.onnx", plan={"name": "mixed"})
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, bits in PLAN.items():
        codes = stored[f"{name}.weight.codes"]
        assert codes.dtype == np.int8
        assert -(2 ** (bits.weight - 1)) <= codes.min() < codes.max() <= 2 ** (bits.weight - 1) - 1
        assert (codes == made.layers[name].weight_codes(bits.weight).numpy()).all()
    assert {entry.key: entry.value for entry in model.metadata_props}["qcompile.plan"] == '{"name":"mixed"}'
    # Streams: first's result, which two layers read, the shortcut, the sum, what the mean reads. Layers: all but third,
    # which reads the sum's 8 bits as they are.
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) == 8
    assert not any(node.domain for node in model.graph.node)


def test_the_supernet_stays_as_it_was(tmp_path):
    made = supernet(normalize=True)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    export_supernet(made, images(2), tmp_path / "net.onnx")
    assert made.chosen() == PLAN
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())
