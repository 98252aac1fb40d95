"""JPEG and PNG files as pixels: decoded, cut and resized. Needs Pillow."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from qcompile.errors import DataError

if TYPE_CHECKING:
    from PIL import Image as PillowImage
    from PIL.Image import Image

Resampling = Literal["bilinear", "bicubic"]
Pixels = npt.NDArray[np.uint8]
Draws = npt.NDArray[np.float64]

DRAWS = 41  # random numbers a crop takes: four for each of ten tries, and one for the mirror
_TRIES = 10
_LEAST_AREA = 0.08
_NARROWEST, _WIDEST = 3 / 4, 4 / 3


@dataclass(frozen=True)
class ImageView:
    """What a network sees of a picture: squares of ``size`` pixels, resized by ``resampling``."""

    size: int = 224
    resampling: Resampling = "bilinear"

    @property
    def shorter_side(self) -> int:
        """What the shorter side of a picture becomes before its middle is cut out: 256 for 224."""
        return round(self.size * 8 / 7)


def middle(path: Path, view: ImageView) -> Pixels:
    """The middle of the picture in ``path``, uint8 [size, size, 3], after its shorter side was made ``shorter_side``.

    Gray and CMYK pictures become red, green and blue. Raises DataError if the file is missing, broken or no JPEG or
    PNG, or if Pillow is.
    """
    image = _decode(path)
    width, height = image.size
    shorter, size = min(width, height), view.size
    width, height = (view.shorter_side * side // shorter for side in (width, height))
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), _filter(view))
    return np.array(resized.crop((left, top, left + size, top + size)))


def random_part(path: Path, view: ImageView, draws: Draws) -> Pixels:
    """A part of the picture in ``path``, resized to uint8 [size, size, 3], every second time mirrored.

    Where it lies is a function of ``draws`` [DRAWS], uniform in [0, 1), and of the size of the picture: see
    ``random_box``. Raises DataError as ``middle`` does.
    """
    image = _decode(path)
    left, top, width, height = random_box(*image.size, draws[:-1].reshape(_TRIES, 4))
    box = (left, top, left + width, top + height)
    pixels = np.array(image.resize((view.size, view.size), _filter(view), box=box))
    return pixels[:, ::-1] if draws[-1] < 0.5 else pixels


def random_box(width: int, height: int, draws: Draws) -> tuple[int, int, int, int]:
    """Left, top, width and height of a part of a picture of ``width`` x ``height`` pixels.

    It has 8 % to 100 % of the picture's area, and is from 3/4 to 4/3 as wide as high. ``draws`` [tries, 4] are uniform
    in [0, 1); the first four whose part fits into the picture decide. If none does, it is the middle, as large as that
    shape allows. Source: Szegedy et al., arXiv 1409.4842, section 6.
    """
    for area_draw, shape_draw, left_draw, top_draw in draws:
        area = (_LEAST_AREA + (1 - _LEAST_AREA) * area_draw) * width * height
        shape = _NARROWEST * (_WIDEST / _NARROWEST) ** shape_draw
        wide, high = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < wide <= width and 0 < high <= height:
            return int(left_draw * (width - wide + 1)), int(top_draw * (height - high + 1)), wide, high
    wide, high = min(width, math.ceil(height * _WIDEST)), min(height, math.ceil(width / _NARROWEST))
    return (width - wide) // 2, (height - high) // 2, wide, high


def _decode(path: Path) -> "Image":
    """The picture as red, green and blue."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise DataError('reading pictures takes Pillow, which is missing: pip install "qcompile[train]"') from error
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # SyntaxError: a broken PNG
        raise DataError(
            f"{path}: no picture that can be read ({error}); wanted JPEG or PNG; mend or remove it"
        ) from error


def _filter(view: ImageView) -> "PillowImage.Resampling":
    from PIL import Image

    return Image.Resampling.BICUBIC if view.resampling == "bicubic" else Image.Resampling.BILINEAR
