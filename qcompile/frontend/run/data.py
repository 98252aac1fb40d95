"""The data of a run as tensors, and what identifies it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from qcompile.datasets import load
from qcompile.frontend.augmentation import crop_and_flip
from qcompile.frontend.recipe_file import AnyRecipe
from qcompile.frontend.training import Samples

_CALIBRATION_BATCH = 500


@dataclass(frozen=True, eq=False)
class RunData:
    """``fingerprint`` is a SHA-256 over all arrays."""

    train: Samples
    test: Samples
    fingerprint: str


def load_samples(recipe: AnyRecipe, data_dir: Path) -> RunData:
    """The data set of ``recipe``, laid out as its training wants. Raises DataError as ``datasets.load`` does."""
    data = load(recipe.data, data_dir)
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    images = [torch.from_numpy(array).contiguous(memory_format=memory_format(recipe)) for array in arrays[::2]]
    labels = [torch.from_numpy(array) for array in arrays[1::2]]
    return RunData(Samples(images[0], labels[0]), Samples(images[1], labels[1]), digest.hexdigest())


def memory_format(recipe: AnyRecipe) -> torch.memory_format:
    """Convolutions in bfloat16 are several times faster with the channels last."""
    bfloat16 = recipe.reference.optimization.bfloat16 or recipe.learning.optimization.bfloat16
    return torch.channels_last if bfloat16 else torch.contiguous_format


def calibration_batches(samples: Samples, count: int, augmentation: str) -> list[torch.Tensor]:
    """The first ``count`` images, or all where there are fewer, in batches of as good as one size.

    They are augmented as in training, always alike: statistics of plain images are not those that the network was
    trained with, and cost the float ResNet-20 three points of accuracy.
    """
    images = samples.images[:count]
    if augmentation == "crop-flip":
        images = crop_and_flip(images, torch.Generator().manual_seed(0))
    return list(torch.tensor_split(images, -(-len(images) // _CALIBRATION_BATCH)))
