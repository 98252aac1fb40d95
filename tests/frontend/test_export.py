import json
import pathlib
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from qcompile.errors import QCompileError  # noqa: E402
from qcompile.frontend.codebook_weight import CodebookWeight, Corrections  # noqa: E402
from qcompile.frontend.export import export_onnx  # noqa: E402


class Network(torch.nn.Module):
    """Everything the exporter's optimizer would like to fold: batch normalization, a bias-free layer."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, bias=False)
        self.norm = torch.nn.BatchNorm2d(4)
        self.hidden = torch.nn.Linear(36, 6)
        self.out = torch.nn.Linear(6, 3, bias=False)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(torch.relu(self.norm(self.conv(x))).flatten(1))))


def weight_like(parameter, groups, entries, seed):
    generator = torch.Generator().manual_seed(seed)
    codebook = torch.randn(groups, entries, generator=generator).sort(dim=1).values
    indices = torch.randint(0, entries, parameter.shape, generator=generator).to(torch.uint8)
    return CodebookWeight(codebook, indices)


def corrected_like(parameter, groups, entries, seed, *, scale=None, corrections=0):
    """A weight with a scale ("one" or "channels") and with corrections."""
    plain = weight_like(parameter, groups, entries, seed)
    generator = torch.Generator().manual_seed(seed)
    factors = {None: None, "one": torch.rand(1, generator=generator) + 0.5}
    factors["channels"] = torch.randn(parameter.shape[0], generator=generator)
    places = torch.randperm(parameter.numel(), generator=generator)[:corrections].sort().values
    values = Corrections(places, torch.randn(corrections, generator=generator))
    return CodebookWeight(plain.codebook, plain.indices, factors[scale], values)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = Network()
    network.norm.running_mean.uniform_(-1, 1)
    network.norm.running_var.uniform_(0.5, 2)
    with torch.no_grad():
        network.norm.weight.uniform_(0.5, 2)
        network.norm.bias.uniform_(-1, 1)
    return network.eval()


def set_weights(network, weights):
    with torch.no_grad():
        for name, weight in weights.items():
            network.get_parameter(name).copy_(weight.decode())


def initializers(model):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize(("groups", "entries"), [(1, 2), (1, 5), ("channels", 3), (2, 4)])
def test_exports_lookups_that_compute_what_torch_computes(network, tmp_path, groups, entries):
    names = ["conv.weight", "hidden.weight"] + ([] if groups == 2 else ["out.weight"])
    weights = {}
    for seed, name in enumerate(names):
        parameter = network.get_parameter(name)
        count = parameter.shape[0] if groups == "channels" else groups
        weights[name] = weight_like(parameter, count, entries, seed)
    set_weights(network, weights)
    path = tmp_path / "exported.onnx"
    export_onnx(network, weights, (torch.zeros(2, 1, 5, 5),), path)

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    found = initializers(model)
    for name, weight in weights.items():
        wanted = weight.codebook.numpy()
        np.testing.assert_array_equal(found[f"{name}.codebook"].reshape(wanted.shape), wanted)
        np.testing.assert_array_equal(found[f"{name}.indices"].reshape(-1), weight.indices.numpy().reshape(-1))
    assert {node.domain for node in model.graph.node} == {""}
    x = torch.randn(7, 1, 5, 5, generator=torch.Generator().manual_seed(5))
    session = onnxruntime.InferenceSession(path)
    y = session.run(None, {"input": x.numpy()})[0]
    # 3 layers of at most 36 products of values below 10: 36 * 2^-24 * 10 * 10 per layer, times the gain of the next.
    np.testing.assert_allclose(y, network(x).detach().numpy(), rtol=0, atol=1e-4)


CORRECTED = [(1, "one", 0), (1, "channels", 0), (1, None, 5), (1, "one", 4), (1, "channels", 1), ("channels", None, 7)]
RUN_OLD = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(None, {"input": numpy.load(sys.argv[2])})[0])
"""


def export_corrected(network, path, groups, scale, corrections):
    """Exports ``network`` with scaled and corrected weights, an input, and what torch computes."""
    weights = {}
    for seed, name in enumerate(["conv.weight", "hidden.weight", "out.weight"]):
        parameter = network.get_parameter(name)
        count = parameter.shape[0] if groups == "channels" else groups
        weights[name] = corrected_like(parameter, count, 3, seed, scale=scale, corrections=corrections)
    set_weights(network, weights)
    export_onnx(network, weights, (torch.zeros(2, 1, 5, 5),), path)
    x = torch.randn(7, 1, 5, 5, generator=torch.Generator().manual_seed(5))
    return weights, x.numpy(), network(x).detach().numpy()


def weights_in(path):
    """The weights of the exported file ``path`` as stock onnxruntime computes them, by name."""
    model = onnx.load(path)
    kinds = ("Gather", "GatherElements", "Mul", "ScatterND", "Reshape")
    made = {output for node in model.graph.node if node.op_type in kinds for output in node.output}
    names = [name for name in made if name.endswith(".weight")]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return dict(zip(names, session.run(names, {"input": np.zeros((1, 1, 5, 5), np.float32)}), strict=True))


@pytest.mark.parametrize(("groups", "scale", "corrections"), CORRECTED)
def test_scales_and_corrections_travel_bit_for_bit(network, tmp_path, groups, scale, corrections):
    path = tmp_path / "exported.onnx"
    weights, x, wanted = export_corrected(network, path, groups, scale, corrections)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert (kinds.count("Mul"), kinds.count("ScatterND")) == (3 * bool(scale), 3 * bool(corrections))
    found = weights_in(path)
    for name, weight in weights.items():
        np.testing.assert_array_equal(found[name], weight.decode().numpy())
    y = onnxruntime.InferenceSession(path).run(None, {"input": x})[0]
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-4)  # as above


def test_corrected_weights_run_on_an_old_onnxruntime(network, tmp_path, old_python):
    _, x, wanted = export_corrected(network, tmp_path / "exported.onnx", 1, "channels", 5)
    np.save(tmp_path / "x.npy", x)
    command = [old_python, "-c", RUN_OLD, *(str(tmp_path / name) for name in ("exported.onnx", "x.npy", "y.npy"))]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted, rtol=0, atol=1e-4)  # as above


def test_folds_no_batch_normalization_into_a_codebook_weight_but_into_float_ones(network, tmp_path):
    weights = {"conv.weight": weight_like(network.conv.weight, 1, 2, 0)}
    export_onnx(network, weights, (torch.zeros(2, 1, 5, 5),), tmp_path / "codebook.onnx")
    export_onnx(network, {}, (torch.zeros(2, 1, 5, 5),), tmp_path / "float.onnx")
    kinds = [[n.op_type for n in onnx.load(tmp_path / f).graph.node] for f in ("codebook.onnx", "float.onnx")]
    assert "BatchNormalization" in kinds[0]
    assert "BatchNormalization" not in kinds[1]


def test_graph_is_clean_batch_is_free_and_plan_is_embedded(network, tmp_path):
    path = tmp_path / "exported.onnx"
    weights = {"hidden.weight": weight_like(network.hidden.weight, 1, 2, 0)}
    export_onnx(network, weights, (torch.zeros(2, 1, 5, 5),), path, plan={"layers": ["hidden"]})
    model = onnx.load(path)
    assert [i.name for i in model.graph.input] == ["input"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [o.name for o in model.graph.output] == ["output"]
    assert [n.op_type for n in model.graph.node] == [
        "Gather",
        "Conv",
        "Relu",
        "Reshape",
        "Gemm",
        "Tanh",
        "Gemm",
    ]
    assert {p.key: p.value for p in model.metadata_props}["qcompile.plan"] == json.dumps(
        {"layers": ["hidden"]}, separators=(",", ":")
    )


def test_says_nothing_of_the_machine_and_runs_on_old_onnxruntimes(network, tmp_path):
    weights = {"hidden.weight": weight_like(network.hidden.weight, 1, 2, 0)}
    export_onnx(network, weights, (torch.zeros(2, 1, 5, 5),), tmp_path / "exported.onnx")
    content = (tmp_path / "exported.onnx").read_bytes()
    for trace in (b".py", b"site-packages", str(pathlib.Path(__file__).parent).encode()):
        assert trace not in content
    model = onnx.load_model_from_string(content)
    assert model.ir_version == 9
    assert [entry.version for entry in model.opset_import if not entry.domain] == [20]


def test_leaves_the_network_as_it_was(network, tmp_path):
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export_onnx(network, {}, (torch.zeros(2, 1, 5, 5),), tmp_path / "x.onnx")
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_refuses_an_unknown_name_and_a_wrong_shape(network, tmp_path):
    weight = weight_like(network.conv.weight, 1, 2, 0)
    with pytest.raises(QCompileError, match=r"'convv.weight' is no parameter.*near names: conv.weight"):
        export_onnx(network, {"convv.weight": weight}, (torch.zeros(2, 1, 5, 5),), tmp_path / "x.onnx")
    with pytest.raises(
        QCompileError, match=r"out.weight is \[3, 6\] in the network, its codebook weight is \[4, 1, 3, 3\]"
    ):
        export_onnx(network, {"out.weight": weight}, (torch.zeros(2, 1, 5, 5),), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
