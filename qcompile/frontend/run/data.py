"""The data of a run as tensors, and what identifies it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from qcompile.datasets import Dataset, FileDataset, load_any
from qcompile.errors import DataError
from qcompile.frontend.drawn_images import Augmentation, draw_images, inference_batch
from qcompile.frontend.file_images import FileBatch, FileBatches, FileImages
from qcompile.frontend.recipe_file import AnyRecipe
from qcompile.frontend.training import Samples
from qcompile.image_decoding import ImageView
from qcompile.models import build_network

_CALIBRATION_BATCH = 500


@dataclass(frozen=True, eq=False)
class RunData:
    """``fingerprint`` is a SHA-256 over all arrays; of images in files over their names and sizes."""

    train: Samples
    test: Samples
    fingerprint: str


def load_samples(recipe: AnyRecipe, data_dir: Path) -> RunData:
    """The data set of ``recipe``, laid out as its training wants.

    Images in files are seen as its network wants them. Raises DataError as ``datasets.load_any`` does, and for more
    classes than the network knows.
    """
    network = build_network(recipe.network)
    view = ImageView(network.input_shape[1], network.resampling)
    data, layout = load_any(recipe.data, data_dir, view), memory_format(recipe)
    if data.classes > network.classes:
        raise DataError(
            f"{data_dir}: {recipe.data} has {data.classes} classes, network {recipe.network} knows {network.classes}; "
            "a label is too high, or the folder is another one"
        )
    return _from_files(data, layout) if isinstance(data, FileDataset) else _in_memory(data, layout)


def memory_format(recipe: AnyRecipe) -> torch.memory_format:
    """Convolutions in bfloat16 are several times faster with the channels last."""
    bfloat16 = recipe.reference.optimization.bfloat16 or recipe.learning.optimization.bfloat16
    return torch.channels_last if bfloat16 else torch.contiguous_format


def calibration_batches(samples: Samples, count: int, augmentation: Augmentation) -> Iterable[torch.Tensor]:
    """The first ``count`` images, or all where there are fewer, in batches of as good as one size.

    They are augmented as in training, always alike: statistics of plain images are not those that the network was
    trained with, and cost the float ResNet-20 three points of accuracy. Images in files are decoded batch by batch,
    each time anew.
    """
    images = draw_images(samples.images, slice(count), augmentation, torch.Generator().manual_seed(0))
    parts = -(-len(images) // inference_batch(samples.images, _CALIBRATION_BATCH))
    if isinstance(images, FileBatch):
        return FileBatches(images.tensor_split(parts))
    return list(images.tensor_split(parts))


def _in_memory(data: Dataset, layout: torch.memory_format) -> RunData:
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    images = [torch.from_numpy(array).contiguous(memory_format=layout) for array in arrays[::2]]
    labels = [torch.from_numpy(array) for array in arrays[1::2]]
    return RunData(Samples(images[0], labels[0]), Samples(images[1], labels[1]), digest.hexdigest())


def _from_files(data: FileDataset, layout: torch.memory_format) -> RunData:
    digest = hashlib.sha256()
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        digest.update(images.fingerprint() + labels.tobytes())
    train = Samples(FileImages(data.train_images, layout), torch.from_numpy(data.train_labels))
    test = Samples(FileImages(data.test_images, layout), torch.from_numpy(data.test_labels))
    return RunData(train, test, digest.hexdigest())
