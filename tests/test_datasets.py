import gzip
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

from qcompile.datasets import FileDataset, load, load_any
from qcompile.errors import DataError, RecipeError
from qcompile.image_decoding import ImageView
from tests.pictures import write_folders


def write_mnist(folder, train=5, test=3, labels=None):
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        pixels = bytes([0, 51, 255, 102] * (count * 196))
        header = struct.pack(">4I", 0x803, count, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + pixels)
        kept = count if labels is None else labels
        content = struct.pack(">2I", 0x801, kept) + bytes(i % 10 for i in range(kept))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content))


@pytest.mark.parametrize("inside", ["", "mnist"])
def test_mnist_is_found_in_the_folder_or_in_mnist_inside(tmp_path, inside):
    write_mnist(tmp_path / inside)
    data = load("mnist", tmp_path)
    assert data.train_images.shape == (5, 1, 28, 28)
    assert data.test_images.shape == (3, 1, 28, 28)
    assert data.train_images.dtype == np.float32
    assert data.train_images[0, 0, 0, :4].tolist() == [0.0, np.float32(0.2), 1.0, np.float32(0.4)]
    assert data.train_labels.tolist() == [0, 1, 2, 3, 4]
    assert data.train_labels.dtype == np.int64
    assert data.classes == 10


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"found neither train-images-idx3-ubyte nor .*\.gz; .*--data-dir"):
        load("mnist", tmp_path)


def test_each_image_needs_a_label(tmp_path):
    write_mnist(tmp_path, labels=2)
    with pytest.raises(DataError, match="found 2 labels, wanted 5"):
        load("mnist", tmp_path)


def test_an_unknown_name_lists_the_names(tmp_path):
    with pytest.raises(RecipeError, match=r'"cifar"; there are cifar10, digits, imagenet, mnist'):
        load("cifar", tmp_path)


def test_pictures_in_files_are_not_loaded_into_memory(tmp_path):
    pytest.importorskip("PIL", reason="tests write pictures by Pillow")
    data = load_any("imagenet", write_folders(tmp_path), ImageView(8))
    assert isinstance(data, FileDataset)
    assert (data.train_images.shape, data.test_images.shape, data.classes) == ((18, 3, 8, 8), (6, 3, 8, 8), 3)
    assert data.test_labels.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(RecipeError, match="no array of it fits into memory"):
        load("imagenet", tmp_path)


def write_cifar10(folder, count=2):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        red_green_blue = bytes([255] * 1024 + [51] * 1024 + [number] * 1024)
        (folder / f"{name}.bin").write_bytes(b"".join(bytes([n]) + red_green_blue for n in range(count)))


@pytest.mark.parametrize("inside", ["", "cifar10", "cifar-10-batches-bin"])
def test_cifar10_is_found_in_the_folder_or_inside(tmp_path, inside):
    write_cifar10(tmp_path / inside)
    data = load("cifar10", tmp_path)
    assert data.train_images.shape == (10, 3, 32, 32)
    assert data.test_images.shape == (2, 3, 32, 32)
    assert data.train_images.dtype == np.float32
    assert data.train_images[2, :, 7, 5].tolist() == [1.0, np.float32(0.2), np.float32(1) / np.float32(255)]
    assert data.train_labels.tolist() == [0, 1] * 5
    assert data.train_labels.dtype == np.int64


def test_a_missing_cifar_file_is_named(tmp_path):
    write_cifar10(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"found no data_batch_3\.bin; .*--data-dir"):
        load("cifar10", tmp_path)


def test_digits_are_always_split_alike(tmp_path):
    pytest.importorskip("sklearn", reason="digits come with scikit-learn")
    first, second = load("digits", tmp_path), load("digits", tmp_path)
    assert first.train_images.shape == (1437, 1, 8, 8)
    assert first.test_images.shape == (360, 1, 8, 8)
    assert np.array_equal(first.train_images, second.train_images)
    assert (first.train_images.min(), first.train_images.max()) == (0.0, 1.0)
    # Every class is in the test part, and no image is in both.
    assert set(first.test_labels) == set(range(10))
    train = {image.tobytes() for image in first.train_images}
    assert sum(image.tobytes() in train for image in first.test_images) == 0


def test_digits_without_scikit_learn_say_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install .qcompile\[train\]"):
        load("digits", tmp_path)


def test_importing_loads_no_torch():
    program = "import sys, qcompile.datasets; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=pathlib.Path(__file__).parents[1])


@pytest.mark.skipif("QCOMPILE_DATA_DIR" not in os.environ, reason="needs MNIST: set QCOMPILE_DATA_DIR")
def test_the_real_mnist():
    data = load("mnist", pathlib.Path(os.environ["QCOMPILE_DATA_DIR"]))
    assert data.train_images.shape == (60_000, 1, 28, 28)
    assert data.test_images.shape == (10_000, 1, 28, 28)
    # The published mean of the training pixels is 0.1307, and the first labels are 5 0 4 1 9.
    assert float(data.train_images.mean(dtype=np.float64)) == pytest.approx(0.1307, abs=5e-5)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.skipif("QCOMPILE_DATA_DIR" not in os.environ, reason="needs CIFAR-10: set QCOMPILE_DATA_DIR")
def test_the_real_cifar10():
    data = load("cifar10", pathlib.Path(os.environ["QCOMPILE_DATA_DIR"]))
    assert (data.train_images.shape, data.test_images.shape) == ((50_000, 3, 32, 32), (10_000, 3, 32, 32))
    # The published means of the training pixels are 0.4914, 0.4822, 0.4465; each class has 5,000 and 1,000 images.
    means = data.train_images.mean(axis=(0, 2, 3), dtype=np.float64)
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)
    assert np.bincount(data.train_labels).tolist() == [5_000] * 10
    assert np.bincount(data.test_labels).tolist() == [1_000] * 10
