import numpy as np
import onnx
import pytest

from qcompile.compiler import compile_model
from qcompile.errors import ModelError
from qcompile.trial import try_packed
from tests.network import Network


@pytest.fixture
def source(tmp_path):
    network = Network((4,))
    network.gives(network.add("MatMul", ["x", network.lookup((4, 3), "a.weight", [-1, 0, 2])]))
    onnx.save(network.proto(), tmp_path / "a.onnx")
    return tmp_path / "a.onnx"


def trial_of(packed, sample, source):
    return try_packed(packed.SerializeToString(), packed, sample, source)


def test_runs_on_made_up_inputs_or_on_the_sample(source):
    packed = compile_model(onnx.load(source))
    assert trial_of(packed, None, source).not_run == ""
    assert trial_of(packed, {"x": np.zeros((5, 4), np.float32)}, source).not_run == ""


def test_a_sample_that_does_not_fit_is_an_error(source):
    with pytest.raises(ModelError, match="does not run on the samples"):
        trial_of(compile_model(onnx.load(source)), {"x": np.zeros((5, 7), np.float32)}, source)


def test_a_packed_model_that_does_not_load_is_an_error_of_ours(source):
    packed = compile_model(onnx.load(source))
    packed.graph.node[0].input[0] = "nowhere"
    with pytest.raises(ModelError, match=r"onnxruntime loads it, but not what was compiled.*Please report this"):
        trial_of(packed, None, source)


def test_without_library_and_bodies_it_is_not_run(source, monkeypatch):
    monkeypatch.setenv("QCOMPILE_LIBRARY", "/nowhere.so")
    packed = compile_model(onnx.load(source))
    assert trial_of(packed, None, source).not_run == ""
    del packed.functions[:]
    assert "the kernel library is not there" in trial_of(packed, None, source).not_run
