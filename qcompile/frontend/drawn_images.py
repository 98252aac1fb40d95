"""Training images as they are drawn: augmented tensors, or files that are decoded by who trains on them."""

from typing import Literal

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.augmentation import crop_and_flip
from qcompile.frontend.file_images import FileBatch, FileImages, draw_file_batch

Augmentation = Literal["none", "crop-flip", "resized-crop-flip"]
Images = torch.Tensor | FileImages
Batch = torch.Tensor | FileBatch

_MOST_NUMBERS = 64 * 3 * 224 * 224  # of larger batches every layer's output takes gigabytes


def draw_images(
    images: Images, index: slice | torch.Tensor, augmentation: Augmentation, generator: torch.Generator
) -> Batch:
    """The ``images`` at ``index``, augmented by numbers drawn from ``generator``; files are not read yet.

    "crop-flip" moves and mirrors images in memory, "resized-crop-flip" cuts a random part from each file's picture.
    Raises RecipeError for the one where the other is wanted.
    """
    check_augmentation(augmentation, in_files=isinstance(images, FileImages))
    if isinstance(images, FileImages):
        part = images.part(index)
        return FileBatch(part, None) if augmentation == "none" else draw_file_batch(part, generator)
    return crop_and_flip(images[index], generator) if augmentation == "crop-flip" else images[index]


def check_augmentation(augmentation: Augmentation, *, in_files: bool) -> None:
    """Raises RecipeError if images of this kind cannot be augmented so."""
    wanted = "resized-crop-flip" if in_files else "crop-flip"
    if augmentation not in ("none", wanted):
        where = "pictures in files" if in_files else "images in memory"
        raise RecipeError(f'augmentation is "{augmentation}", {where} take "none" or "{wanted}"')


def load_images(batch: Batch) -> torch.Tensor:
    """``batch`` as float32 [count, channels, height, width]. Raises DataError if a file cannot be read."""
    return batch.load() if isinstance(batch, FileBatch) else batch


def inference_batch(images: Images, most: int) -> int:
    """How many of ``images`` go through a network at once: ``most``, or fewer, at least one, where they are large."""
    return max(1, min(most, _MOST_NUMBERS // max(1, images.shape[1:].numel())))
