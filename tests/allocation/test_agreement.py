import onnx
import pytest

from qcompile.allocation import Agreement
from qcompile.allocation.agreement import FloatModel
from tests.allocation.network import uneven
from tests.network import Network


@pytest.fixture
def saved(tmp_path):
    made = uneven()
    onnx.save(made.proto(), tmp_path / "e.onnx")
    made.tensors["strong.weight"] = -made.tensors["strong.weight"]
    made.tensors["strong.bias"] = -made.tensors["strong.bias"]
    onnx.save(made.proto(), tmp_path / "other.onnx")
    return tmp_path


def test_a_model_agrees_with_itself_and_not_with_another(saved):
    samples = uneven().samples(30)["x"]
    model = FloatModel(saved / "e.onnx", [{"x": samples[:20]}, {"x": samples[20:]}])
    assert model.agreement(saved / "e.onnx") == Agreement(30, 0, 0.0)
    other = model.agreement(saved / "other.onnx")
    assert other.other == 30  # the largest of 16 scores becomes the smallest but for a hundredth
    assert other.drop == 1
    assert "for 30 of 30 samples held out (100.00 %)" in other.as_text()


def test_outputs_that_are_no_scores_are_not_predictions(tmp_path):
    made = Network((3, 5, 5))
    onnx.save(made.gives(made.conv("x", (4, 3, 3, 3), "a")).proto(), tmp_path / "e.onnx")
    model = FloatModel(tmp_path / "e.onnx", [made.samples(4)])
    assert not model.predicts
    found = model.agreement(tmp_path / "e.onnx")
    assert (found.samples, found.other, found.drop) == (4, None, None)
    assert "on 4 samples held out" in found.as_text()
