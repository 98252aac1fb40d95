"""Constants that stay in their files until they are looked at: the same packed file, bit for bit."""

import onnx
import pytest

from qcompile import loading
from qcompile.calibration import ArrayReader
from qcompile.codebooks import GridWeights
from qcompile.compiler import compile_file
from qcompile.errors import ModelError
from qcompile.integers import DynamicIntegers, Integers
from qcompile.passes import _hollow, verify
from tests.networks import NETWORKS
from tests.quantizing import samples_of


@pytest.fixture
def nothing_is_read(monkeypatch):
    """Every constant of raw data counts as large."""

    def begin():
        monkeypatch.setattr(loading, "LARGE", 1)
        monkeypatch.setattr(_hollow, "LARGE", 1)

    return begin


def ways(made):
    """Options of compiling ``made``, made anew: a reader ends."""
    samples = samples_of(made)
    rows = max(array.shape[0] for array in samples.values())
    return [
        {"weights": GridWeights(4)},
        {"integers": DynamicIntegers(8, 4)},
        {"integers": Integers(ArrayReader(samples, rows), weight_bits=4)},
    ]


def without_places(model):
    """``model`` without the note that a tensor is inside it, which says nothing: those that were outside have it."""
    for tensor in model.graph.initializer:
        tensor.ClearField("data_location")
    return model.SerializeToString()


def packed(source, target, made):
    found = []
    for options in ways(made):
        try:
            compile_file(source, target, **options)
            found.append(without_places(onnx.load(target)))
        except ModelError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("name", sorted(NETWORKS)[::8])
def test_the_packed_file_is_the_same_where_constants_stay_in_theirs(tmp_path, nothing_is_read, name, outside):
    made = NETWORKS[name]()
    source, target = tmp_path / "model.onnx", tmp_path / "packed.onnx"
    onnx.save(made.proto(), source, save_as_external_data=outside, location="weights.bin", size_threshold=0)
    wanted = packed(source, target, made)
    nothing_is_read()
    assert packed(source, target, made) == wanted


def test_a_packed_model_that_no_file_can_hold_is_an_error_that_names_the_source(tmp_path, monkeypatch):
    made = NETWORKS[sorted(NETWORKS)[0]]()
    source = tmp_path / "model.onnx"
    source.write_bytes(made.proto().SerializeToString())
    monkeypatch.setattr(verify, "check_file_size", lambda model: _hollow.check_file_size(model, 10))
    with pytest.raises(ModelError, match=r"model\.onnx: its constants would take \d+ bytes, packed, and .* at most 10"):
        compile_file(source, tmp_path / "packed.onnx", weights=GridWeights(4))
