import sys

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures are read by Pillow")

from PIL import Image

from qcompile.errors import DataError
from qcompile.image_decoding import DRAWS, ImageView, middle, random_box, random_part
from tests.pictures import write_picture

SMALL = ImageView(14)


def draws(seed=0):
    return np.random.default_rng(seed).random(DRAWS)


@pytest.mark.parametrize(("width", "height"), [(40, 30), (30, 40), (16, 16), (5, 9), (300, 17)])
@pytest.mark.parametrize("view", [SMALL, ImageView(14, "bicubic"), ImageView(1)])
def test_a_view_is_a_square_whatever_the_picture(tmp_path, width, height, view):
    write_picture(tmp_path / "a.jpg", width, height)
    for pixels in (middle(tmp_path / "a.jpg", view), random_part(tmp_path / "a.jpg", view, draws())):
        assert pixels.shape == (view.size, view.size, 3)
        assert pixels.dtype == np.uint8


def test_the_middle_is_cut_from_the_picture_with_a_shorter_side_of_256_for_224(tmp_path):
    assert ImageView().shorter_side == 256
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(256, 0).repeat(3, 2)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    assert np.array_equal(middle(tmp_path / "a.png", ImageView()), ramp[16:240, 16:240])
    Image.fromarray(ramp.repeat(2, 0)).save(tmp_path / "b.png")  # twice as high: nothing to resize
    assert np.array_equal(middle(tmp_path / "b.png", ImageView()), ramp[16:240, 16:240])


@pytest.mark.parametrize(("mode", "ending"), [("L", "jpg"), ("CMYK", "JPEG"), ("RGB", "png"), ("P", "png")])
def test_every_kind_of_picture_becomes_red_green_and_blue(tmp_path, mode, ending):
    path = tmp_path / f"a.{ending}"
    write_picture(path, mode=mode)
    pixels = middle(path, SMALL)
    assert pixels[:, :5].min() > 240, "the left is white"
    assert pixels[:, 9:].mean() < 200


def test_a_box_has_the_area_and_the_shape_that_training_wants():
    found = [random_box(200, 150, np.random.default_rng(seed).random((10, 4))) for seed in range(500)]
    for left, top, width, height in found:
        assert 0 <= left <= left + width <= 200
        assert 0 <= top <= top + height <= 150
        # Sides are rounded to whole pixels: half a pixel of sides of 40 and more.
        assert 0.08 * 30_000 - 50 <= width * height <= 30_000
        assert 3 / 4 * (1 - 1 / 40) <= width / height <= 4 / 3 * (1 + 1 / 40)
    areas = [width * height / 30_000 for _, _, width, height in found]
    assert min(areas) < 0.12
    assert max(areas) > 0.85
    assert {left > 0 for left, *_ in found} == {True, False}


@pytest.mark.parametrize(
    ("width", "height", "wanted"), [(300, 3, (148, 0, 4, 3)), (3, 300, (0, 148, 3, 4)), (1, 1, (0, 0, 1, 1))]
)
def test_where_no_try_fits_it_is_the_middle(width, height, wanted):
    assert random_box(width, height, np.full((10, 4), 0.999)) == wanted


def test_a_part_is_a_function_of_its_draws(tmp_path):
    write_picture(tmp_path / "a.jpg")
    first, again, other = (random_part(tmp_path / "a.jpg", SMALL, draws(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_second_part_is_mirrored(tmp_path):
    write_picture(tmp_path / "a.jpg")
    numbers = draws()
    numbers[-1] = 0.49
    mirrored = random_part(tmp_path / "a.jpg", SMALL, numbers)
    numbers[-1] = 0.5
    assert np.array_equal(random_part(tmp_path / "a.jpg", SMALL, numbers), mirrored[:, ::-1])


def broken(path):
    write_picture(path, 64, 64)
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    "spoil",
    [
        broken,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>not found</html>"),
        lambda path: Image.new("RGB", (4, 4)).save(path, format="BMP"),
        lambda path: None,
    ],
    ids=["cut short", "empty", "text", "another format", "missing"],
)
def test_a_file_that_is_no_whole_picture_is_named(tmp_path, spoil):
    spoil(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg: no picture that can be read \(.*wanted JPEG or PNG"):
        middle(tmp_path / "a.jpg", SMALL)


def test_without_pillow_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"pip install .qcompile\[train\]"):
        middle(tmp_path / "a.jpg", SMALL)
