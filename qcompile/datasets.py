"""Data sets by name, as arrays. Needs numpy only; "digits" also needs scikit-learn."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qcompile.errors import DataError, RecipeError
from qcompile.idx import read_images, read_labels

DATASET_NAMES = ("digits", "mnist")

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images are float32 [count, 1, height, width], pixels in [0, 1]; labels are int64 [count], below ``classes``."""

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    classes: int


def load(name: str, data_dir: Path) -> Dataset:
    """The data set called ``name``.

    "mnist" is read from its four IDX files, plain or .gz, in ``data_dir``/mnist or ``data_dir``. "digits" comes with
    scikit-learn: 8x8 digits, 1437 to train and 360 to test, always the same split; ``data_dir`` is not looked at.

    Raises DataError if a file is missing, damaged or of another format; RecipeError for an unknown name.
    """
    match name:
        case "digits":
            return _load_digits()
        case "mnist":
            return _load_mnist(data_dir)
    raise RecipeError(f'no data set is called "{name}"; there are {", ".join(DATASET_NAMES)}')


def _load_mnist(data_dir: Path) -> Dataset:
    folder = data_dir / "mnist" if (data_dir / "mnist").is_dir() else data_dir
    train_images, train_labels = _load_part(folder, "train")
    test_images, test_labels = _load_part(folder, "t10k")
    return Dataset(train_images, train_labels, test_images, test_labels, classes=10)


def _load_part(folder: Path, part: str) -> tuple[Images, Labels]:
    images = read_images(_find(folder, f"{part}-images-idx3-ubyte"), height=28, width=28)
    labels_path = _find(folder, f"{part}-labels-idx1-ubyte")
    labels = read_labels(labels_path, classes=10)
    if len(labels) != len(images):
        raise DataError(
            f"{labels_path}: found {len(labels)} labels, wanted {len(images)}, one for each image beside it; "
            "download both files again"
        )
    return (images[:, np.newaxis] / np.float32(255)).astype(np.float32, copy=False), labels.astype(np.int64)


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.exists():
            return candidate
    raise DataError(f"{folder}: found neither {name} nor {name}.gz; name the folder that holds them with --data-dir")


def _load_digits() -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise DataError('"digits" comes with scikit-learn, which is missing: pip install "qcompile[train]"') from error
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order, np.newaxis] / 16).astype(np.float32)
    labels = digits.target[order].astype(np.int64)
    split = len(order) * 4 // 5
    return Dataset(images[:split], labels[:split], images[split:], labels[split:], classes=10)
