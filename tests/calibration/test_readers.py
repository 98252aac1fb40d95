import numpy as np
import pytest

from qcompile.calibration import ArrayReader
from qcompile.errors import DataError


def batches_of(reader):
    found = []
    while (batch := reader.get_next()) is not None:
        found.append(batch)
    return found


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (100, [7])])
def test_gives_every_row_once_in_order(batch, sizes):
    arrays = {"a": np.arange(14).reshape(7, 2), "b": np.arange(7.0)}
    found = batches_of(ArrayReader(arrays, batch))
    assert [len(part["b"]) for part in found] == sizes
    for name, array in arrays.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in found]), array)


def test_stays_at_its_end():
    reader = ArrayReader({"a": np.zeros(2)}, 2)
    assert len(batches_of(reader)) == 1
    assert reader.get_next() is None
    assert ArrayReader({"a": np.zeros((0, 3))}, 2).get_next() is None


def test_arrays_must_have_one_number_of_rows():
    with pytest.raises(DataError, match=r"one number of rows; found \{'a': \[2\], 'b': \[3, 1\]\}"):
        ArrayReader({"a": np.zeros(2), "b": np.zeros((3, 1))}, 1)
    with pytest.raises(DataError, match="found none"):
        ArrayReader({}, 1)
    with pytest.raises(DataError, match="rows"):
        ArrayReader({"a": np.float32(3)}, 1)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_has_at_least_one_row(batch):
    with pytest.raises(ValueError, match="wanted at least 1"):
        ArrayReader({"a": np.zeros(2)}, batch)
