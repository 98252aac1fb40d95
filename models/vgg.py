"""The 12-layer VGG-style network for CIFAR that BinaryConnect and the LC papers use: six convolutions, three dense."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.models.network import Network, NormalizePixels


class VGG12(Network):
    """(2 x 128C3)-MP2-(2 x 256C3)-MP2-(2 x 512C3)-MP2-(2 x 1024FC)-10, batch-normalized: 14,022,016 weights."""

    input_shape = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        self.normalize = NormalizePixels()
        widths = (3, 128, 128, 256, 256, 512, 512)
        self.convs = nn.ModuleList(_Normalized(nn.Conv2d(a, b, 3, padding=1, bias=False)) for a, b in _pairs(widths))
        self.dense = nn.ModuleList(_Normalized(nn.Linear(a, b, bias=False)) for a, b in _pairs((8192, 1024, 1024)))
        self.classifier = nn.Linear(1024, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 10] of images [batch, 3, 32, 32]."""
        features = self.normalize(images)
        for number, conv in enumerate(self.convs):
            features = F.relu(conv(features))
            if number % 2:
                features = F.max_pool2d(features, 2)
        features = features.flatten(1)
        for layer in self.dense:
            features = F.relu(layer(features))
        logits: torch.Tensor = self.classifier(features)
        return logits


class _Normalized(nn.Module):
    """A layer and its batch normalization."""

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        channels = layer.weight.shape[0]
        self.norm = nn.BatchNorm2d(channels) if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d(channels)
        nn.init.kaiming_normal_(layer.weight)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        normalized: torch.Tensor = self.norm(self.layer(features))
        return normalized


def _pairs(widths: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(widths))
