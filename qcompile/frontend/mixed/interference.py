"""How much the widths of one set of weights disturb each other: flips of codes, and angles between gradients."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from qcompile.bit_plan import BitPlan
from qcompile.frontend.distillation import Criterion, label_loss
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.mixed.turbulence import changed_share

Codes = Mapping[str, Mapping[int, torch.Tensor]]  # by layer and weight bits, int8


@dataclass(frozen=True)
class GradientAgreement:
    """Two gradients of one weight: the ``cosine`` of their angle, and the first one's length by the second's.

    Both are NaN where a gradient is zero.
    """

    cosine: float
    length_ratio: float


def weight_codes(supernet: Supernet) -> dict[str, dict[int, torch.Tensor]]:
    """The codes of each layer's weight at each of its candidate widths, int8."""
    return {
        name: {bits: layer.weight_codes(bits).to(torch.int8) for bits in layer.candidates.weight}
        for name, layer in supernet.layers.items()
    }


def flip_rates(before: Codes, after: Codes) -> dict[str, dict[int, float]]:
    """By layer and bits the share of codes that changed, 0 to 1, between two times of ``weight_codes``."""
    return {
        name: {bits: changed_share(before[name][bits], now) for bits, now in widths.items()}
        for name, widths in after.items()
    }


def gradient_agreement(
    supernet: Supernet,
    first: BitPlan,
    second: BitPlan,
    images: torch.Tensor,
    labels: torch.Tensor,
    criterion: Criterion = label_loss,
) -> dict[str, GradientAgreement]:
    """By layer how the gradients of its weight agree, computed on one batch under two plans, in training mode.

    With ``supernet.smallest()`` and ``supernet.largest()`` this is the interference that few bits bring. Afterwards
    buffers, modes, chosen bits and ``grad`` are as before.
    """
    with _unchanged(supernet):
        supernet.train()
        gradients = [_weight_gradients(supernet, plan, images, labels, criterion) for plan in (first, second)]
    return {name: _compare(gradients[0][name], gradients[1][name]) for name in supernet.layers}


@contextmanager
def _unchanged(supernet: Supernet) -> Iterator[None]:
    """On leaving the buffers, the modes and the chosen bits are what they were."""
    before = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
    bits, modes = supernet.chosen(), {module: module.training for module in supernet.modules()}
    try:
        yield
    finally:
        supernet.choose(bits)
        for module, training in modes.items():
            module.training = training
        for name, buffer in supernet.named_buffers():
            buffer.copy_(before[name])


def _weight_gradients(
    supernet: Supernet, plan: BitPlan, images: torch.Tensor, labels: torch.Tensor, criterion: Criterion
) -> dict[str, torch.Tensor]:
    supernet.choose(plan)
    loss = criterion(images, supernet(images).float(), labels)
    weights = [layer.weight for layer in supernet.layers.values()]
    return dict(zip(supernet.layers, torch.autograd.grad(loss, weights), strict=True))


def _compare(first: torch.Tensor, second: torch.Tensor) -> GradientAgreement:
    a, b = first.double(), second.double()
    lengths = float(a.norm()), float(b.norm())
    if 0.0 in lengths:
        return GradientAgreement(math.nan, math.nan)
    return GradientAgreement(float((a * b).sum()) / (lengths[0] * lengths[1]), lengths[0] / lengths[1])
