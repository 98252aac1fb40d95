"""Any module as a float ONNX file, and as a packed one."""

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from qcompile.calibration import BatchReader  # noqa: E402
from qcompile.codebooks import CodebookWeights  # noqa: E402
from qcompile.compiler import Integers, LayerChoice  # noqa: E402
from qcompile.errors import ModelError, QCompileError  # noqa: E402
from qcompile.frontend import compile_module, compile_program, export_module  # noqa: E402

nn = torch.nn


class Encoder(nn.Module):
    """Embeddings that the head shares, two kinds of attention, and what a transformer has between."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(40, 32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.norm = nn.LayerNorm(32)
        self.query, self.join = nn.Linear(32, 96), nn.Linear(32, 32)
        self.head = nn.Linear(32, 40, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        parts = (part.unflatten(2, (4, 8)).transpose(1, 2) for part in self.query(x).chunk(3, -1))
        mixed = nn.functional.scaled_dot_product_attention(*parts)
        return self.head(self.join(mixed.transpose(1, 2).flatten(2)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(16, 24, batch_first=True), nn.Linear(24, 5)

    def forward(self, sound):
        return self.out(self.lstm(sound)[0][:, -1])


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.out = nn.Linear(8, 4)

    def forward(self, image):
        x = self.stem(image)
        x = torch.relu(x + self.pointwise(self.depthwise(x)))
        return self.out(nn.functional.interpolate(x, scale_factor=2).mean((2, 3)))


def seeded(kind):
    torch.manual_seed(0)
    module = kind()
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_var.uniform_(0.5, 2)
            each.running_mean.uniform_(-1, 1)
    return module


def wanted(module, x):
    training = module.training
    with torch.no_grad():
        found = module.eval()(x).numpy()
    module.train(training)
    return found


def run(path, x):
    return onnxruntime.InferenceSession(path).run(None, x)[0]


def names(path):
    return {tensor.name for tensor in onnx.load(path).graph.initializer}


def test_a_module_is_written_as_it_computes_and_is_not_changed(tmp_path):
    module, x = seeded(Residual), torch.randn(3, 3, 6, 6)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    export_module(module, x[:1], tmp_path / "m.onnx")
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    found = run(tmp_path / "m.onnx", {"image": x.numpy()})  # three at once: the batch is free
    # Two orders of at most 72 products, summed in float32, twice.
    assert np.abs(found - wanted(module, x)).max() <= 4 * 72 * 2**-24 * max(1, np.abs(found).max())
    assert {"stem.0.weight", "depthwise.weight", "pointwise.weight", "out.weight"} <= names(tmp_path / "m.onnx")


def test_layers_are_called_as_modules_and_attention_is_integers(tmp_path):
    module, ids = seeded(Encoder), torch.randint(0, 40, (8, 6), generator=torch.Generator().manual_seed(1))
    reader = BatchReader([{"ids": ids.numpy()}])
    result = compile_module(module, ids, tmp_path / "p.onnx", integers=Integers(reader))
    layers = [layer.name for layer in result.layers]
    assert layers == ["words", "attention.in_proj", "attention.out_proj", "query", "join", "head"]
    assert len(result.products) == 4
    assert not result.left_alone
    found, float_output = run(tmp_path / "p.onnx", {"ids": ids.numpy()}), wanted(module, ids)
    assert np.abs(found - float_output).max() <= 0.1 * np.abs(float_output).max()  # 8 bits: about 1 % a layer


def test_recurrent_weights_are_packed_under_their_modules_name(tmp_path):
    result = compile_module(
        seeded(Recurrent), torch.randn(2, 5, 16), tmp_path / "p.onnx", weights=CodebookWeights(4, "scaled")
    )
    assert [layer.name for layer in result.layers] == ["lstm", "lstm_1", "out"]


def test_inputs_and_outputs_are_named_and_layers_chosen(tmp_path):
    result = compile_module(
        seeded(Residual),
        (torch.randn(2, 3, 6, 6),),
        tmp_path / "p.onnx",
        input_names=["picture"],
        output_names=["scores"],
        weights=CodebookWeights(4, "scaled"),
        layers=LayerChoice(exclude=("stem*", "depthwise")),
    )
    graph = onnx.load(tmp_path / "p.onnx").graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["picture", "scores"]
    assert [layer.name for layer in result.layers] == ["pointwise", "out"]
    assert result.left_alone == (("stem.0", "excluded"), ("depthwise", "excluded"))


class OneByOne(nn.Module):
    """Takes a batch of one only."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6, 4)

    def forward(self, x):
        return self.out(x.reshape(1, 6))


def test_a_batch_that_cannot_be_free_stays_as_in_the_example(tmp_path):
    module, x = seeded(OneByOne), torch.randn(1, 6)
    export_module(module, x, tmp_path / "m.onnx")
    found = run(tmp_path / "m.onnx", {"x": x.numpy()})
    assert np.abs(found - wanted(module, x)).max() <= 2 * 7 * 2**-24 * max(1, np.abs(found).max())


def test_what_does_not_fit_is_told_without_files_that_a_user_does_not_know(tmp_path):
    with pytest.raises(QCompileError, match=r"torch cannot export OneByOne: .*Do the example inputs fit"):
        export_module(seeded(OneByOne), torch.randn(1, 7), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"^OneByOne: the model has no codebook weight"):
        compile_module(seeded(OneByOne), torch.randn(1, 6), tmp_path / "p.onnx")
    assert not list(tmp_path.iterdir())


def test_a_program_in_training_mode_is_refused(tmp_path):
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    program = torch.export.export(module, (torch.randn(2, 4),))
    with pytest.raises(QCompileError, match="exported in training mode"):
        compile_program(program, tmp_path / "p.onnx", weights=CodebookWeights(4, "scaled"))
