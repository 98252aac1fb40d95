"""How good a plan is, for a search: the loss on images that were not trained on, without training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from qcompile.bit_plan import BitPlan
from qcompile.frontend.drawn_images import inference_batch
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.training import Samples

BATCH = 256


class PlanScore:
    """The mean cross-entropy of a plan on ``samples``, with the batch statistics of each batch itself.

    Statistics averaged over training images would be those of deployment, and take a second pass for each plan: how
    well the two rank plans alike is measured in docs/results/mpq.md. ``supernet`` has the last plan's bits chosen
    behind it; its running statistics stay as they were.
    """

    def __init__(self, supernet: Supernet, samples: Samples) -> None:
        self._supernet, self._samples = supernet, samples

    def __call__(self, plan: BitPlan) -> float:
        """The score of ``plan``: less is better. Raises DataError as ``Supernet.choose`` does."""
        self._supernet.choose(plan)
        total, images, labels = 0.0, self._samples.images, self._samples.labels
        size = inference_batch(images, BATCH)
        with torch.no_grad(), _own_statistics(self._supernet):
            for part in (slice(start, start + size) for start in range(0, len(labels), size)):
                total += F.cross_entropy(self._supernet(images[part]), labels[part], reduction="sum").item()
        return total / len(labels)


@contextmanager
def _own_statistics(network: nn.Module) -> Iterator[None]:
    """Inside, batch normalization uses each batch's own statistics and does not remember them; nothing else trains."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for module, training in modes.items():
            module.training = training
