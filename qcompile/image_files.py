"""Pictures in files that are decoded when they are asked for: what an array of images is, without its memory."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qcompile.image_decoding import Draws, ImageView, Pixels, middle, random_part

Index = slice | npt.NDArray[np.int64]


class ImageFiles:
    """The pictures ``names`` in the folder ``root``, seen through ``view``. Nothing is read before it is asked for."""

    def __init__(self, root: Path, names: Sequence[str], view: ImageView) -> None:
        self.root, self.names, self.view = root, names, view

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Count, channels, height, width of the array that this stands for."""
        return (len(self.names), 3, self.view.size, self.view.size)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Index) -> npt.NDArray[np.float32]:
        """The middles of the pictures at ``index``, float32 [count, 3, size, size] in [0, 1], decoded now.

        Raises DataError if one of them cannot be read.
        """
        return _to_pixels([middle(self.root / name, self.view) for name in self.part(index).names], self.view)

    def part(self, index: Index) -> "ImageFiles":
        """The pictures at ``index``; none is read."""
        names = self.names[index] if isinstance(index, slice) else [self.names[place] for place in index]
        return ImageFiles(self.root, names, self.view)

    def random_parts(self, draws: Draws) -> npt.NDArray[np.float32]:
        """A part of each picture, float32 [count, 3, size, size] in [0, 1], decoded now.

        ``draws`` [count, DRAWS], uniform in [0, 1), decide which parts. Raises DataError if one cannot be read.
        """
        pairs = zip(self.names, draws, strict=True)
        return _to_pixels([random_part(self.root / name, self.view, each) for name, each in pairs], self.view)

    def fingerprint(self) -> bytes:
        """A SHA-256 of the names and the sizes in bytes of all files; their content is not read."""
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(f"{name}\0{(self.root / name).stat().st_size}\n".encode())
        return digest.digest()


def _to_pixels(images: Sequence[Pixels], view: ImageView) -> npt.NDArray[np.float32]:
    """float32 [count, 3, size, size]; in memory the channels are last, as they were decoded."""
    stacked = np.stack(images) if images else np.zeros((0, view.size, view.size, 3), np.uint8)
    return np.divide(stacked, np.float32(255), dtype=np.float32).transpose(0, 3, 1, 2)
