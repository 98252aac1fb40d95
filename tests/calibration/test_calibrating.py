import numpy as np
import onnx
import pytest

from qcompile.calibration import ArrayReader, MeanSquareError, MinMax, Percentile, Range, calibrate
from qcompile.calibration.histogram import histogram_of
from qcompile.errors import DataError, QCompileError
from qcompile.runtime import LIBRARY_VARIABLE, session


def computed(network, name, batches):
    """All values of one tensor, by another way: one session on all batches at once."""
    model = onnx.ModelProto()
    model.CopyFrom(network)
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    return session(model.SerializeToString(), library=False).run(None, {"x": np.concatenate(batches)})[0]


def test_ranges_are_those_of_all_values(network, make_reader, batches):
    found = calibrate(network, ["h", "x", "r", "y"], make_reader(batches), method=MinMax())
    assert list(found) == ["h", "x", "r", "y"]
    for name, chosen in found.items():
        values = np.concatenate(batches) if name == "x" else computed(network, name, batches)
        # Sums of 8 products; a batch of another size may be summed in another order.
        assert chosen.low == pytest.approx(min(values.min(), 0), rel=1e-5)
        assert chosen.high == pytest.approx(max(values.max(), 0), rel=1e-5)
        assert chosen.bits == 8
    assert found["r"].zero_point == 0


@pytest.mark.parametrize("method", [MinMax(), Percentile(99.9), MeanSquareError()])
def test_methods_and_bits_are_used(network, make_reader, batches, method):
    found = calibrate(network, ["x", "r"], make_reader(batches), method=method, bits={"x": 3, "r": 8, "other": 5})
    assert [chosen.bits for chosen in found.values()] == [3, 8]
    assert found["x"] == method.range_of(histogram_of(np.concatenate(batches)), 3)
    assert calibrate(network, ["x"], make_reader(batches), method=method, bits=3)["x"] == found["x"]


def test_the_mean_square_error_is_the_default(network, make_reader, batches):
    found = calibrate(network, ["x"], make_reader(batches))
    assert found == calibrate(network, ["x"], make_reader(batches), method=MeanSquareError(), bits=8)


def test_the_size_of_batches_does_not_matter_to_inputs(network, batches):
    rows = {"x": np.concatenate(batches)}
    found = [calibrate(network, ["x"], ArrayReader(rows, batch)) for batch in (1, 7, 200, 1000)]
    assert found == found[:1] * 4


def test_the_model_is_left_as_it_was(network, make_reader, batches):
    before = network.SerializeToString(deterministic=True)
    calibrate(network, ["h", "y"], make_reader(batches))
    assert network.SerializeToString(deterministic=True) == before


def test_half_and_double_are_converted(network, make_reader, batches):
    found = calibrate(network, ["h", "half", "double"], make_reader(batches), method=MinMax())
    assert found["double"] == found["h"]
    assert found["half"].high == pytest.approx(found["h"].high, rel=2.0**-11)


def test_progress_counts_batches(network, make_reader, batches):
    seen = []
    calibrate(network, ["h"], make_reader(batches), progress=seen.append)
    assert seen == list(range(1, 11))


def test_a_first_batch_of_zeros_and_only_zeros(network, make_reader):
    zeros, ones = np.zeros((4, 8), np.float32), np.ones((4, 8), np.float32)
    assert calibrate(network, ["x"], make_reader([zeros, ones]), method=MinMax())["x"] == Range(0, 1, 8)
    for method in (MinMax(), Percentile(), MeanSquareError()):
        assert calibrate(network, ["r"], make_reader([zeros]), method=method)["r"] == Range(0, 0, 8)


def test_tensors_named_twice_or_not_at_all(network, make_reader, batches):
    assert len(calibrate(network, ["h", "h"], make_reader(batches))) == 1
    assert calibrate(network, [], make_reader(batches)) == {}


def test_packed_operators_run_with_and_without_the_library(packed_model, monkeypatch, tmp_path):
    reader_arrays = {"input": np.random.default_rng(3).random((20, 2, 7, 7), dtype=np.float32)}
    names = ["c", "r", "output"]
    found = [calibrate(packed_model.proto, names, ArrayReader(reader_arrays, 8), method=MinMax())]
    monkeypatch.setenv(LIBRARY_VARIABLE, str(tmp_path / "gone.so"))
    found.append(calibrate(packed_model.proto, names, ArrayReader(reader_arrays, 8), method=MinMax()))
    for name in names:
        assert found[0][name].high == pytest.approx(found[1][name].high, rel=1e-4)
    del packed_model.proto.functions[:]
    with pytest.raises(QCompileError, match="kernel library is not there"):
        calibrate(packed_model.proto, names, ArrayReader(reader_arrays, 8))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_an_error_with_its_place(network, make_reader, batches, bad):
    batches[3][2, 1] = bad
    with pytest.raises(DataError, match=r"tensor x has NaN or infinity in batch 4, counted from 1"):
        calibrate(network, ["x"], make_reader(batches))
    with pytest.raises(DataError, match="tensor log has NaN or infinity in batch 1"):  # of negative numbers
        calibrate(network, ["r", "log"], make_reader(batches))


def test_a_double_beyond_float32_is_an_error(network, make_reader):
    network.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    del network.graph.node[:]
    network.graph.node.append(onnx.helper.make_node("Neg", ["x"], ["y"]))
    network.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    with pytest.raises(DataError, match="tensor y has NaN or infinity in batch 1"):
        calibrate(network, ["y"], make_reader([np.full((1, 8), 1e39)]))


def test_only_floats_are_calibrated(network, make_reader, batches):
    with pytest.raises(DataError, match="tensor whole is int64: only float tensors"):
        calibrate(network, ["whole"], make_reader(batches))


def test_unknown_names_are_told_with_near_ones(network, make_reader, batches):
    reader = make_reader(batches)
    with pytest.raises(QCompileError, match="no tensor 'doubl'; near it are double"):
        calibrate(network, ["h", "doubl"], reader)
    with pytest.raises(QCompileError, match="no tensor 'w'; near it are x, h, r"):  # a constant
        calibrate(network, ["w"], reader)
    assert reader.given == 0


def test_bits_that_are_missing_or_wrong_are_told_before_the_run(network, make_reader, batches):
    reader = make_reader(batches)
    with pytest.raises(QCompileError, match="no bits are given for tensor r; given are h"):
        calibrate(network, ["h", "r"], reader, bits={"h": 8})
    with pytest.raises(QCompileError, match="tensor r: codes of 9 bits, wanted 1 to 8"):
        calibrate(network, ["h", "r"], reader, bits={"h": 8, "r": 9})
    assert reader.given == 0


def test_without_any_batch_or_value_there_is_no_range(network, make_reader):
    with pytest.raises(DataError, match="the reader gave no batch"):
        calibrate(network, ["h"], make_reader([]))
    with pytest.raises(DataError, match="tensor h had no value in any of 2 batches"):
        calibrate(network, ["h"], make_reader([np.zeros((0, 8), np.float32)] * 2))


def test_batches_that_do_not_fit_the_model_are_an_error(network, make_reader):
    for names in (["h"], ["x"]):
        with pytest.raises(QCompileError, match="the model takes"):
            calibrate(network, names, make_reader([np.zeros((2, 9), np.float32)]))
        with pytest.raises(QCompileError, match="the model takes"):
            calibrate(network, names, ArrayReader({"other": np.zeros((2, 8), np.float32)}, 2))
