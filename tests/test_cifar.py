import numpy as np
import pytest

from qcompile.cifar import read_batch
from qcompile.errors import DataError


def test_records_are_a_label_and_three_planes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    labels = np.array([9, 0, 4], np.uint8)
    (tmp_path / "a.bin").write_bytes(
        b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True))
    )
    images, found = read_batch(tmp_path / "a.bin")
    assert np.array_equal(images, pixels)
    assert np.array_equal(found, labels)


@pytest.mark.parametrize("count", [0, 1, 3072, 3074, 2 * 3073 - 1])
def test_a_file_that_is_cut_is_refused(tmp_path, count):
    (tmp_path / "a.bin").write_bytes(bytes(count))
    with pytest.raises(DataError, match=rf"a\.bin: found {count} bytes, wanted a multiple of 3073"):
        read_batch(tmp_path / "a.bin")


def test_a_label_out_of_range_is_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(3073) + bytes([10]) + bytes(3072))
    with pytest.raises(DataError, match="label 1 is 10, wanted 0 to 9"):
        read_batch(tmp_path / "a.bin")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"found|cannot be read"):
        read_batch(tmp_path)
