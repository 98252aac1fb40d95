"""Finds the pictures of ImageNet, or of anybody's folders of the same form, and their labels."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qcompile.errors import DataError

SAMPLE_TRAINING_IMAGES = 200
_ENDINGS = (".jpeg", ".jpg", ".png")
_LABELS = "labels.csv"


@dataclass(frozen=True, eq=False)
class LabelledNames:
    """Files by their names below a folder, and their labels int64 [count]."""

    names: Sequence[str]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FoundImages:
    """The pictures below ``root``; labels are below ``classes``."""

    root: Path
    train: LabelledNames
    test: LabelledNames
    classes: int


def find_images(data_dir: Path) -> FoundImages:
    """The pictures in ``data_dir`` or in its folder "imagenet" or "imagenet-sample", in one of two forms.

    train/CLASS/FILE and val/CLASS/FILE, as ImageNet is usually laid out: the label of a picture is the place of its
    class's folder among those of train, by name. Training pictures are in an order drawn once and for all, so that the
    first and the last of them are of every class; val is what is tested on.

    Or a sample: FILE beside labels.csv, whose rows begin with a file's name and its label. It has no split: its first
    200 pictures by name are for training and calibration, the rest for testing.

    Raises DataError if neither is there, a folder is empty, a class unknown, a label no whole number or a file missing.
    """
    folders = [folder for folder in (data_dir / "imagenet", data_dir, data_dir / "imagenet-sample") if folder.is_dir()]
    for folder in folders:
        if (folder / "train").is_dir() or (folder / "val").is_dir():
            return _find_in_folders(folder)
        if (folder / _LABELS).is_file():
            return _find_in_sample(folder)
    raise DataError(
        f"{data_dir}: found neither train/CLASS/*.JPEG and val/CLASS/*.JPEG nor {_LABELS} with pictures, there or in "
        "imagenet or imagenet-sample below; name the folder that holds the data with --data-dir"
    )


def _find_in_folders(root: Path) -> FoundImages:
    classes = _classes(root / "train")
    labels = {name: label for label, name in enumerate(classes)}
    unknown = [name for name in _classes(root / "val") if name not in labels]
    if unknown:
        raise DataError(f"{root / 'val'}: found class {unknown[0]}, of which {root / 'train'} has no folder")
    train, test = (_list_part(root, part, labels) for part in ("train", "val"))
    order = np.random.default_rng(0).permutation(len(train.names))
    mixed = LabelledNames([train.names[place] for place in order], train.labels[order])
    return FoundImages(root, mixed, test, len(classes))


def _classes(folder: Path) -> list[str]:
    """The names of the folders in ``folder``, sorted."""
    found = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    if not found:
        raise DataError(f"{folder}: found no folders of classes with pictures; wanted train/CLASS/* and val/CLASS/*")
    return found


def _list_part(root: Path, part: str, labels: dict[str, int]) -> LabelledNames:
    names: list[str] = []
    numbers: list[int] = []
    for name in _classes(root / part):
        files = sorted(entry.name for entry in (root / part / name).iterdir() if entry.suffix.lower() in _ENDINGS)
        if not files:
            raise DataError(f"{root / part / name}: found no picture, wanted files that end in {', '.join(_ENDINGS)}")
        names += [f"{part}/{name}/{file}" for file in files]
        numbers += [labels[name]] * len(files)
    return LabelledNames(names, np.array(numbers, np.int64))


def _find_in_sample(root: Path) -> FoundImages:
    path = root / _LABELS
    rows = sorted(_read_rows(path))
    if len(rows) <= SAMPLE_TRAINING_IMAGES:
        raise DataError(
            f"{path}: found {len(rows)} pictures, wanted more than {SAMPLE_TRAINING_IMAGES}: so many are for training "
            "and the rest for testing; lay few of them out as train/CLASS/* and val/CLASS/*"
        )
    names, labels = [name for name, _ in rows], np.array([label for _, label in rows], np.int64)
    parts = (slice(SAMPLE_TRAINING_IMAGES), slice(SAMPLE_TRAINING_IMAGES, None))
    train, test = (LabelledNames(names[part], labels[part]) for part in parts)
    return FoundImages(root, train, test, int(labels.max()) + 1)


def _read_rows(path: Path) -> list[tuple[str, int]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                _read_row(row, f"{path}: row {number}", path.parent) for number, row in enumerate(csv.reader(file), 1)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _read_row(row: list[str], where: str, folder: Path) -> tuple[str, int]:
    if len(row) < 2 or not (row[1].isascii() and row[1].isdigit()):
        raise DataError(f"{where}: found {','.join(row)!r}, wanted a file's name and its label, a whole number from 0")
    if not (folder / row[0]).is_file():
        raise DataError(f"{where}: the file {row[0]} is missing")
    return row[0], int(row[1])
