"""Data sets by name, as arrays. Needs numpy only; "digits" also needs scikit-learn."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qcompile.cifar import read_batch
from qcompile.errors import DataError, RecipeError
from qcompile.idx import read_images, read_labels
from qcompile.image_decoding import ImageView
from qcompile.image_files import ImageFiles
from qcompile.image_folders import find_images

DATASET_NAMES = ("cifar10", "digits", "imagenet", "mnist")
IN_FILES = ("imagenet",)  # those whose images stay in their files

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images float32 [count, channels, height, width], pixels in [0, 1]; labels int64 [count], below ``classes``."""

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    classes: int


@dataclass(frozen=True, eq=False)
class FileDataset:
    """As ``Dataset``, with images that stay in their files until they are asked for."""

    train_images: ImageFiles
    train_labels: Labels
    test_images: ImageFiles
    test_labels: Labels
    classes: int


def load_any(name: str, data_dir: Path, view: ImageView) -> Dataset | FileDataset:
    """The data set called ``name``, as ``load`` gives it, or as ``load_image_files`` does."""
    return load_image_files(data_dir, view) if name in IN_FILES else load(name, data_dir)


def load_image_files(data_dir: Path, view: ImageView) -> FileDataset:
    """The pictures of "imagenet", or of anybody's folders of the same form, seen through ``view``.

    docs/mixed-precision.md says how the folders must look. Raises DataError as ``find_images`` does.
    """
    found = find_images(data_dir)
    train, test = (ImageFiles(found.root, part.names, view) for part in (found.train, found.test))
    return FileDataset(train, found.train.labels, test, found.test.labels, found.classes)


def load(name: str, data_dir: Path) -> Dataset:
    """The data set called ``name``, in memory.

    "mnist" is read from its four IDX files, plain or .gz, in ``data_dir``/mnist or ``data_dir``; "cifar10" from its
    six binary files in ``data_dir``/cifar-10-batches-bin, ``data_dir``/cifar10 or ``data_dir``. "digits" comes with
    scikit-learn: 8x8 digits, 1437 to train and 360 to test, always the same split; ``data_dir`` is not looked at.

    Raises DataError if a file is missing, damaged or of another format; RecipeError for an unknown name.
    """
    match name:
        case "cifar10":
            return _load_cifar10(data_dir)
        case "digits":
            return _load_digits()
        case "mnist":
            return _load_mnist(data_dir)
        case "imagenet":
            raise RecipeError('"imagenet" is read picture by picture, no array of it fits into memory')
    raise RecipeError(f'no data set is called "{name}"; there are {", ".join(DATASET_NAMES)}')


def _load_cifar10(data_dir: Path) -> Dataset:
    folder = next((data_dir / n for n in ("cifar-10-batches-bin", "cifar10") if (data_dir / n).is_dir()), data_dir)
    train = [read_batch(_find(folder, f"data_batch_{number}.bin")) for number in range(1, 6)]
    test_images, test_labels = read_batch(_find(folder, "test_batch.bin"))
    return Dataset(
        np.concatenate([_to_pixels(images) for images, _ in train]),
        np.concatenate([labels for _, labels in train]).astype(np.int64),
        _to_pixels(test_images),
        test_labels.astype(np.int64),
        classes=10,
    )


def _load_mnist(data_dir: Path) -> Dataset:
    folder = data_dir / "mnist" if (data_dir / "mnist").is_dir() else data_dir
    train_images, train_labels = _load_part(folder, "train")
    test_images, test_labels = _load_part(folder, "t10k")
    return Dataset(train_images, train_labels, test_images, test_labels, classes=10)


def _load_part(folder: Path, part: str) -> tuple[Images, Labels]:
    images = read_images(
        _find(folder, f"{part}-images-idx3-ubyte", f"{part}-images-idx3-ubyte.gz"), height=28, width=28
    )
    labels_path = _find(folder, f"{part}-labels-idx1-ubyte", f"{part}-labels-idx1-ubyte.gz")
    labels = read_labels(labels_path, classes=10)
    if len(labels) != len(images):
        raise DataError(
            f"{labels_path}: found {len(labels)} labels, wanted {len(images)}, one for each image beside it; "
            "download both files again"
        )
    return _to_pixels(images[:, np.newaxis]), labels.astype(np.int64)


def _to_pixels(images: npt.NDArray[np.uint8]) -> Images:
    """float32 in [0, 1]."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def _find(folder: Path, *names: str) -> Path:
    """The first of ``names`` that is there."""
    found = next((folder / name for name in names if (folder / name).exists()), None)
    if found is None:
        wanted = f"neither {' nor '.join(names)}" if len(names) > 1 else f"no {names[0]}"
        raise DataError(f"{folder}: found {wanted}; name the folder that holds the data with --data-dir")
    return found


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
