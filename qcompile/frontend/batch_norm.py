"""Batch statistics for weights that changed after training."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def has_batch_statistics(network: nn.Module) -> bool:
    """Whether some module of ``network`` normalizes with running statistics."""
    return any(_has_statistics(module) for module in network.modules())


def recompute_batch_statistics(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Sets the running mean and variance of each batch normalization to their averages over ``batches`` of inputs.

    The statistics of a float network are far off once its weights have been compressed, and its accuracy with them
    means nothing. Every batch weighs the same, so the batches should have one size. The mode of each module is kept.

    Raises ValueError if there are no batches.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and _has_statistics(module)]
    modes = {module: module.training for module in network.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then takes the plain average
        norm.train()
    count = 0
    with torch.no_grad():
        for batch in batches:
            network(batch)
            count += 1
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    for module, training in modes.items():
        module.training = training
    if count == 0:
        raise ValueError("the batch statistics need at least one batch")


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.track_running_stats
