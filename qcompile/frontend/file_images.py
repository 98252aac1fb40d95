"""Images in files that do for a tensor of images where they are indexed, split and trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from qcompile.image_decoding import DRAWS
from qcompile.image_files import ImageFiles


class FileImages:
    """Stands for float32 [count, 3, height, width]: what is indexed is decoded, and laid out as ``layout`` says."""

    def __init__(self, files: ImageFiles, layout: torch.memory_format = torch.contiguous_format) -> None:
        self._files, self._layout = files, layout

    @property
    def shape(self) -> torch.Size:
        """That of the tensor that this stands for."""
        return torch.Size(self._files.shape)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: slice | torch.Tensor) -> torch.Tensor:
        """The middles of the pictures at ``index``, decoded now. Raises DataError if one cannot be read."""
        return self.part(index).decode(None)

    def part(self, index: slice | torch.Tensor) -> "FileImages":
        """The pictures at ``index``, a slice or int64 [count]; none is read."""
        return FileImages(self._files.part(index if isinstance(index, slice) else index.numpy()), self._layout)

    def decode(self, draws: torch.Tensor | None) -> torch.Tensor:
        """All pictures, decoded now: the parts that ``draws`` [count, DRAWS] choose, or their middles.

        Raises DataError if one cannot be read.
        """
        pixels = self._files[:] if draws is None else self._files.random_parts(draws.numpy())
        return torch.from_numpy(pixels).contiguous(memory_format=self._layout)


@dataclass(frozen=True, eq=False)
class FileBatch:
    """Pictures and the random numbers of their augmentation: whoever needs a part of the batch decodes only that."""

    images: FileImages
    draws: torch.Tensor | None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice) -> "FileBatch":
        return FileBatch(self.images.part(index), None if self.draws is None else self.draws[index])

    def tensor_split(self, count: int) -> list["FileBatch"]:
        """``count`` batches of neighbours, as large as ``torch.Tensor.tensor_split`` makes them."""
        parts = torch.arange(len(self)).tensor_split(count)
        ends = torch.tensor([len(part) for part in parts]).cumsum(0).tolist()
        return [self[end - len(part) : end] for part, end in zip(parts, ends, strict=True)]

    def load(self) -> torch.Tensor:
        """The images, decoded now. Raises DataError if one cannot be read."""
        return self.images.decode(self.draws)


@dataclass(frozen=True, eq=False)
class FileBatches:
    """Batches that may be gone through again and again; each is decoded when its turn comes."""

    batches: Sequence[FileBatch]

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (batch.load() for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def draw_file_batch(images: FileImages, generator: torch.Generator) -> FileBatch:
    """All of ``images``, each a part of its picture, drawn from ``generator``: always as many numbers an image."""
    return FileBatch(images, torch.rand(len(images), DRAWS, generator=generator, dtype=torch.float64))
