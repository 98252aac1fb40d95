import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by Pillow")

from qcompile.errors import DataError
from qcompile.image_decoding import DRAWS, ImageView, middle, random_part
from qcompile.image_files import ImageFiles
from tests.pictures import write_picture

VIEW = ImageView(14)


@pytest.fixture
def files(tmp_path):
    names = [f"{place}.jpg" for place in range(5)]
    for place, name in enumerate(names):
        write_picture(tmp_path / name, 30 + place, 20, (50 * place, 0, 0))
    return ImageFiles(tmp_path, names, VIEW)


@pytest.mark.parametrize("index", [slice(None), slice(1, 4), slice(-2, None), slice(2, 2), np.array([3, 0, 3])])
def test_an_index_gives_what_an_array_of_the_images_would(files, index):
    wanted = np.stack([middle(files.root / name, VIEW) for name in files.names]).transpose(0, 3, 1, 2)[index]
    assert files.shape == (5, 3, 14, 14)
    assert len(files) == 5
    for found in (files[index], files.part(index)[:]):
        assert found.dtype == np.float32
        assert np.array_equal(found, wanted / np.float32(255))


def test_parts_are_drawn_for_each_image(files):
    draws = np.random.default_rng(0).random((5, DRAWS))
    found = files.random_parts(draws)
    for place, name in enumerate(files.names):
        wanted = random_part(files.root / name, VIEW, draws[place]).transpose(2, 0, 1) / np.float32(255)
        assert np.array_equal(found[place], wanted)


def test_nothing_is_read_before_it_is_asked_for(files):
    (files.root / "3.jpg").write_bytes(b"broken")
    assert len(files.part(slice(3, None))) == 2
    assert files[:3].shape == (3, 3, 14, 14)
    with pytest.raises(DataError, match=r"3\.jpg"):
        files[2:4]


def test_the_fingerprint_tells_other_names_order_and_files(files):
    first = files.fingerprint()
    assert files.fingerprint() == first
    assert files.part(slice(4)).fingerprint() != first
    assert files.part(np.array([1, 0, 2, 3, 4])).fingerprint() != first
    (files.root / "3.jpg").write_bytes(b"another")
    assert files.fingerprint() != first
