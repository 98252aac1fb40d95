import gzip
import os
import struct

import numpy as np
import pytest

from qcompile.errors import DataError
from qcompile.idx import read_images, read_labels

IMAGES = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
LABELS = np.array([0, 9, 3], np.uint8)


def idx(array, magic=None, sizes=None):
    sizes = array.shape if sizes is None else sizes
    magic = 0x0800 + len(sizes) if magic is None else magic
    return struct.pack(f">{len(sizes) + 1}I", magic, *sizes) + array.tobytes()


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gz"])
def test_reads_back_what_was_written(tmp_path, pack):
    suffix = ".gz" if pack is gzip.compress else ""
    images, labels = tmp_path / f"images{suffix}", tmp_path / f"labels{suffix}"
    images.write_bytes(pack(idx(IMAGES)))
    labels.write_bytes(pack(idx(LABELS)))
    assert np.array_equal(read_images(images, 2, 4), IMAGES)
    assert np.array_equal(read_labels(labels, 10), LABELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found 0 bytes, wanted an IDX header of 16"),
        (idx(IMAGES)[:15], "found 15 bytes, wanted an IDX header of 16"),
        (idx(IMAGES)[:-1], "found fewer|the file has fewer|found 23 bytes"),
        (idx(IMAGES) + b"x", "found more bytes of images after the header, wanted 24"),
        (idx(IMAGES, magic=0x0801), "found magic number 0x00000801, wanted 0x00000803 for images"),
        (idx(IMAGES, sizes=(3, 4, 2)), "found images of 4 x 2 pixels, wanted 2 x 4"),
        (idx(IMAGES, sizes=(2**32 - 1,) * 3), "the header promises 79228162458924105385300197375 bytes"),
        (idx(IMAGES[:0], sizes=(0, 2, 4)), "the header promises 0 bytes"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_refused(tmp_path, content, message, suffix):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DataError, match=message) as refusal:
        read_images(path, 2, 4)
    assert str(path) in str(refusal.value)


def test_a_label_out_of_range_is_refused(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(idx(LABELS))
    with pytest.raises(DataError, match="label 1 is 9, wanted 0 to 4"):
        read_labels(path, 5)


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: b"\0" + c[1:], lambda c: c[:20] + b"\xff" * 9 + c[29:]])
def test_a_damaged_gz_is_refused(tmp_path, damage):
    path = tmp_path / "images.gz"
    path.write_bytes(damage(gzip.compress(idx(IMAGES))))
    with pytest.raises(DataError):
        read_images(path, 2, 4)


def test_what_is_no_plain_file_is_refused_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "images")  # to open it would wait for ever
    for path in (tmp_path, tmp_path / "images", tmp_path / "absent"):
        with pytest.raises(DataError, match="found no plain file"):
            read_images(path, 2, 4)


def test_memory_does_not_follow_a_header_that_lies(tmp_path):
    import tracemalloc

    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx(IMAGES, sizes=(50_000, 2, 4)) + b"\0" * 200_000, compresslevel=1))
    tracemalloc.start()
    with pytest.raises(DataError, match="wanted 400000"):
        read_images(path, 2, 4)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4_000_000
