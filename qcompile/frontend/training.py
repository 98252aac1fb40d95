"""Training and testing on a data set in memory or in files of images: no loader, one flat loop."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.errors import QCompileError
from qcompile.frontend.distillation import Criterion, label_loss
from qcompile.frontend.distributed import ALONE, Team
from qcompile.frontend.drawn_images import Augmentation, Batch, Images, draw_images, inference_batch
from qcompile.frontend.file_images import FileImages
from qcompile.frontend.ranges import check_range

_EVALUATION_BATCH = 100  # larger ones leave the cache: half the speed for convolutions


@dataclass(frozen=True, eq=False)
class Samples:
    """Images float32 [count, channels, height, width], in memory or in files, and labels int64 [count]."""

    images: Images
    labels: torch.Tensor

    def part(self, index: slice) -> "Samples":
        """The samples at ``index``; no file is read."""
        images = self.images.part(index) if isinstance(self.images, FileImages) else self.images[index]
        return Samples(images, self.labels[index])


@dataclass(frozen=True)
class Optimization:
    """Stochastic gradient descent with Nesterov momentum. Raises RecipeError for a value out of range.

    ``augmentation`` "crop-flip" moves and mirrors each image at random, "resized-crop-flip", for images in files, takes
    a random part of each picture and mirrors it. A batch is trained on in ``accumulate`` parts, one after the other,
    which takes less memory.
    """

    learning_rate: float = 0.1
    learning_rate_decay: float = 0.93
    batch_size: int = 256
    momentum: float = 0.9
    weight_decay: float = 0.0
    bfloat16: bool = False
    augmentation: Augmentation = "none"
    accumulate: int = 1

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("learning_rate", self.learning_rate, 1e-9, 100.0),
            ("learning_rate_decay", self.learning_rate_decay, 1e-3, 1.0),
            ("batch_size", self.batch_size, 1, 1_000_000),
            ("accumulate", self.accumulate, 1, 100_000),
            ("momentum", self.momentum, 1e-9, 0.999999),
            ("weight_decay", self.weight_decay, 0.0, 1.0),
        ):
            check_range(name, value, low, high)


def make_optimizer(network: nn.Module, settings: Optimization, learning_rate: float) -> torch.optim.SGD:
    """A new optimizer of all parameters; weight decay acts on weights and not on biases."""
    biases = [parameter for parameter in network.parameters() if parameter.dim() < 2]
    weights = [parameter for parameter in network.parameters() if parameter.dim() >= 2]
    groups = [{"params": weights, "weight_decay": settings.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=learning_rate, momentum=settings.momentum, nesterov=True)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: Samples,
    settings: Optimization,
    generator: torch.Generator,
    team: Team = ALONE,
    share: float = 1.0,
    criterion: Criterion = label_loss,
) -> float:
    """Trains ``network`` on each sample once, in an order drawn from ``generator``; gives the mean loss.

    With a ``share`` below 1 only so many of the samples, at least one, are drawn.

    The processes of a ``team`` share every batch; their generators and networks must be alike, and ``network`` is what
    ``team.parallel`` gave. Raises QCompileError if the loss is no longer finite.
    """
    network.train()
    total, count = 0.0, 0
    for images, labels in draw_batches(samples, settings.batch_size, settings.augmentation, generator, share):
        count += len(labels)
        optimizer.zero_grad()
        for some, wanted, share in team.parts(images, labels, settings.accumulate):
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
                logits = network(some)
            loss = criterion(some, logits.float(), wanted)
            (loss * (share * team.size)).backward()  # type: ignore[no-untyped-call]  # the processes' mean is taken
            total += loss.item() * share * len(labels)
        optimizer.step()
    total = sum(team.gather(total))
    check_loss(total)
    return total / count


def draw_batches(
    samples: Samples, batch_size: int, augmentation: Augmentation, generator: torch.Generator, share: float = 1.0
) -> Iterator[tuple[Batch, torch.Tensor]]:
    """Images and labels of one batch after another, in an order drawn from ``generator``, augmented by it.

    Images in files are not read yet: ``Team.parts`` does that, for the part that a process trains on.

    Each sample comes once; with a ``share`` below 1 only so many of them, at least one, are drawn. The last batch may
    be smaller.
    """
    order = torch.randperm(len(samples.labels), generator=generator)[: sample_count(samples, share)]
    for batch in torch.split(order, batch_size):
        yield draw_images(samples.images, batch, augmentation, generator), samples.labels[batch]


def sample_count(samples: Samples, share: float) -> int:
    """How many samples a ``share``, 0 to 1, of an epoch takes."""
    return max(1, round(share * len(samples.labels)))


def check_loss(loss: float) -> None:
    """Raises QCompileError if the ``loss`` of training is no longer finite."""
    if not math.isfinite(loss):
        raise QCompileError(f"the training loss is {loss}: lower the learning rate")


def evaluate(network: nn.Module, samples: Samples) -> tuple[float, float]:
    """The mean loss and the error in percent, without dropout, in float32."""
    network.eval()
    loss, wrong = 0.0, 0
    with torch.no_grad():
        for batch in torch.split(torch.arange(len(samples.labels)), inference_batch(samples.images, _EVALUATION_BATCH)):
            labels = samples.labels[batch]
            logits = network(samples.images[batch])
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            wrong += int((logits.argmax(dim=1) != labels).sum())
    return loss / len(samples.labels), 100.0 * wrong / len(samples.labels)
