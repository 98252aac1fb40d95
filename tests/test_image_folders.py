import shutil

import pytest

pytest.importorskip("PIL", reason="tests write pictures by Pillow")

from qcompile.errors import DataError
from qcompile.image_folders import find_images
from tests.pictures import write_folders, write_sample


@pytest.mark.parametrize("inside", ["", "imagenet"])
def test_folders_are_classes_by_name(tmp_path, inside):
    root = write_folders(tmp_path / inside)
    (root / "train" / "README.txt").write_text("no class")
    (root / "train" / "n1" / "notes.txt").write_text("no picture")
    found = find_images(tmp_path)
    assert found.root == root
    assert found.classes == 3
    assert sorted(found.train.names) == [f"train/n{label}/{place}.JPEG" for label in range(3) for place in range(6)]
    assert found.test.names == [f"val/n{label}/{place}.JPEG" for label in range(3) for place in range(2)]
    for part in (found.train, found.test):
        assert part.labels.tolist() == [int(name.split("/")[1][1:]) for name in part.names]


def test_training_pictures_are_mixed_and_always_alike(tmp_path):
    """The first are for calibration and the last are held out: both must hold every class."""
    write_folders(tmp_path)
    first, again = find_images(tmp_path), find_images(tmp_path)
    assert first.train.names == again.train.names
    assert set(first.train.labels[:9]) == set(first.train.labels[9:]) == {0, 1, 2}


@pytest.mark.parametrize("inside", ["", "imagenet-sample"])
def test_the_first_200_of_a_sample_by_name_are_for_training(tmp_path, inside):
    root = write_sample(tmp_path / inside)
    found = find_images(tmp_path)
    assert found.root == root
    assert found.classes == 10
    assert found.train.names == [f"{place:04}.jpg" for place in range(200)]
    assert found.test.names == ["0200.jpg", "0201.jpg", "0202.jpg"]
    assert found.train.labels.tolist() == [place % 10 for place in range(200)]
    assert found.test.labels.tolist() == [0, 1, 2]


def set_labels(root, text):
    (root / "labels.csv").write_text(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: set_labels(root, "0000.jpg,0\n"), "labels.csv: found 1 pictures, wanted more than 200"),
        (lambda root: set_labels(root, ""), "found 0 pictures"),
        (lambda root: set_labels(root, "0000.jpg,1\n0001.jpg,cat\n"), r"row 2: found '0001.jpg,cat', wanted .*number"),
        (lambda root: set_labels(root, "0000.jpg,-1\n"), "row 1: found '0000.jpg,-1'"),
        (lambda root: set_labels(root, "0000.jpg\n"), "row 1: found '0000.jpg'"),
        (lambda root: set_labels(root, "file,label\n"), "row 1: found 'file,label'"),
        (lambda root: set_labels(root, "none.jpg,1\n"), "row 1: the file none.jpg is missing"),
        (lambda root: (root / "labels.csv").write_bytes(b"\xff\xfe,1\n"), "labels.csv: cannot be read"),
        (lambda root: (root / "labels.csv").unlink(), "found neither train/CLASS/.* nor labels.csv .*--data-dir"),
    ],
)
def test_a_mistake_in_a_sample_is_named(tmp_path, change, message):
    write_sample(tmp_path, count=2)
    change(tmp_path)
    with pytest.raises(DataError, match=message):
        find_images(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root / "val"), "val: found no folders of classes"),
        (lambda root: shutil.rmtree(root / "train"), "train: found no folders of classes"),
        (lambda root: shutil.rmtree(root / "train" / "n2"), "val: found class n2, of which .*train has no folder"),
        (lambda root: [path.unlink() for path in (root / "train/n1").iterdir()], "train/n1: found no picture"),
    ],
)
def test_a_mistake_in_the_folders_is_named(tmp_path, change, message):
    write_folders(tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=message):
        find_images(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="none: found neither"):
        find_images(tmp_path / "none")
