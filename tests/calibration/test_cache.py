"""A calibration that is stopped goes on where it was; a file that is wrong in any way is never believed."""

import io

import numpy as np
import pytest

from qcompile.calibration import MinMax, Percentile, calibrate, calibrating
from qcompile.calibration.cache import Cache, model_digest
from qcompile.errors import DataError, QCompileError

NAMES = ["h", "x", "r"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ranges.npz"


@pytest.fixture
def _written_after_each_batch(monkeypatch):
    monkeypatch.setattr(calibrating, "SECONDS_BETWEEN_WRITES", 0)


def stored(network, path, names=NAMES):
    return Cache(path, model_digest(network), tuple(names)).read()


def assert_same_statistics(a, b):
    assert (a.batches, a.finished) == (b.batches, b.finished)
    assert list(a.histograms) == list(b.histograms)
    for one, other in zip(a.histograms.values(), b.histograms.values(), strict=True):
        assert (one.low, one.high, one.zeros, one.first) == (other.low, other.high, other.zeros, other.first)
        np.testing.assert_array_equal(one.counts, other.counts)


@pytest.mark.usefixtures("_written_after_each_batch")
@pytest.mark.parametrize("killed_before", [[0], [1], [4], [10], [2, 2, 5, 9]])
def test_resuming_is_running_once_bit_for_bit(network, make_reader, batches, path, tmp_path, killed_before):
    whole_path = tmp_path / "whole.npz"
    whole = calibrate(network, NAMES, make_reader(batches), cache=whole_path)
    for place in killed_before:
        with pytest.raises(InterruptedError):
            calibrate(network, NAMES, make_reader(batches, fail_before=place), cache=path)
    seen, reader = [], make_reader(batches)
    assert calibrate(network, NAMES, reader, cache=path, progress=seen.append) == whole
    assert seen == list(range(killed_before[-1] + 1, 11))
    assert reader.given == 10
    assert_same_statistics(stored(network, path), stored(network, whole_path))


def test_writes_are_seconds_apart(network, make_reader, batches, path, monkeypatch):
    times = iter(np.arange(100) * 2.0)  # two seconds for the start, each batch and each write
    monkeypatch.setattr(calibrating.time, "monotonic", lambda: next(times))
    written = []
    monkeypatch.setattr(Cache, "write", lambda self, statistics: written.append(statistics.batches))
    calibrate(network, NAMES, make_reader(batches), cache=path)
    assert written == [3, 6, 9, 10]  # 6 seconds after the start or the last write, and at the end


def test_a_finished_cache_needs_no_run(network, make_reader, batches, path, monkeypatch):
    calibrate(network, NAMES, make_reader(batches), cache=path)
    monkeypatch.setattr(calibrating, "collect", None)
    reader = make_reader(batches, fail_before=0)
    for method, bits in ((MinMax(), 8), (Percentile(99), 4), (Percentile(99), 2)):
        found = calibrate(network, NAMES, reader, cache=path, method=method, bits=bits)
        assert [chosen.bits for chosen in found.values()] == [bits] * 3
    assert list(calibrate(network, NAMES[::-1], reader, cache=path)) == NAMES[::-1]


def test_a_cache_of_another_model_is_refused(network, make_reader, batches, path):
    calibrate(network, NAMES, make_reader(batches), cache=path)
    weight = network.graph.initializer[0]
    weight.raw_data = weight.raw_data[:-1] + b"\x01"
    with pytest.raises(DataError, match=r"ranges.npz: a calibration cache of another model. Delete it, or name"):
        calibrate(network, NAMES, make_reader(batches), cache=path)


def test_a_cache_of_other_tensors_is_refused(network, make_reader, batches, path):
    calibrate(network, NAMES, make_reader(batches), cache=path)
    with pytest.raises(DataError, match=r"of other tensors; only one has r, y. Delete it, or name another"):
        calibrate(network, ["h", "x", "y"], make_reader(batches), cache=path)


@pytest.mark.usefixtures("_written_after_each_batch")
def test_a_reader_that_ends_before_the_cache_is_refused(network, make_reader, batches, path):
    with pytest.raises(InterruptedError):
        calibrate(network, NAMES, make_reader(batches, fail_before=6), cache=path)
    with pytest.raises(DataError, match="the cache has 6 batches, the reader gave only 4"):
        calibrate(network, NAMES, make_reader(batches[:4]), cache=path)


def small_cache(network, make_reader, path):
    calibrate(network, ["x"], make_reader([np.eye(8, dtype=np.float32)]), cache=path)
    return path.read_bytes()


def test_damage_is_told_or_harmless(network, make_reader, path):
    """Every third byte in turn: what is believed is what was written."""
    whole = small_cache(network, make_reader, path)
    wanted = stored(network, path, ["x"])
    refused = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = stored(network, path, ["x"])
        except DataError as error:
            assert "not a calibration cache, or damaged" in str(error)  # noqa: PT017
            refused += 1
        else:
            assert_same_statistics(found, wanted)
    assert refused > len(whole) / 6  # the rest are dates and the like of the archive


def test_a_file_cut_short_or_of_something_else_is_refused(network, make_reader, path):
    whole = small_cache(network, make_reader, path)
    others = io.BytesIO()
    np.savez(others, low=np.zeros(3))
    pickled = io.BytesIO()
    np.savez(pickled, head=np.array([{}], dtype=object))
    cut = [whole[:length] for length in range(0, len(whole), 37)]
    for data in (*cut, others.getvalue(), pickled.getvalue(), b"no archive"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"not a calibration cache, or damaged: .*Delete it, or name another file"):
            calibrate(network, ["x"], make_reader([]), cache=path)


def test_a_place_for_no_file_is_told_before_the_run(network, make_reader, batches, tmp_path):
    reader = make_reader(batches, fail_before=0)
    with pytest.raises(DataError, match="there is no folder"):
        calibrate(network, NAMES, reader, cache=tmp_path / "gone" / "ranges.npz")
    with pytest.raises(DataError, match="no regular file"):
        calibrate(network, NAMES, reader, cache=tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error(network, make_reader, batches, path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qcompile.calibration.cache.write_atomically", full)
    with pytest.raises(QCompileError, match="cannot be written: No space left"):
        calibrate(network, NAMES, make_reader(batches), cache=path)
