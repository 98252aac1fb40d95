import onnx
import pytest

from qcompile.tensor_shapes import tensor_shapes
from tests.networks import NETWORKS
from tests.report.derive import every_tensor
from tests.test_compile_integers import compiled


@pytest.mark.parametrize("name", ["plain", "mean_over_axes", "mean_that_keeps_axes"])
def test_shapes_are_those_of_a_run(name, tmp_path):
    network = NETWORKS[name]()
    model = compiled(network)
    onnx.save(model, tmp_path / "packed.onnx")
    run = every_tensor(tmp_path / "packed.onnx", network.samples(1))
    shapes = tensor_shapes(model)
    assert {key: shapes[key] for key in run} == {key: array.shape for key, array in run.items()}


def test_given_shapes_count_and_free_axes_are_one(packed_model):
    assert tensor_shapes(packed_model.proto)["c"] == (1, 6, 5, 5)
    assert tensor_shapes(packed_model.proto, {"input": (3, 2, 7, 7)})["output"] == (3, 5)


def test_a_file_without_bodies_has_the_same_shapes():
    model = compiled(NETWORKS["mean_over_axes"]())
    wanted = tensor_shapes(model)
    del model.functions[:]
    assert tensor_shapes(model) == wanted


@pytest.mark.parametrize("field", ["domain", "op_type"])
def test_what_nobody_can_tell_is_not_there(packed_model, field):
    setattr(packed_model.node("conv"), field, "strangers")
    assert set(tensor_shapes(packed_model.proto)) == {"input"}
