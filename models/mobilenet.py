"""MobileNetV2 for ImageNet (Sandler et al., arXiv 1801.04381, table 2).

Takes float32 images [batch, 3, 224, 224] with pixels in [0, 1], gives logits [batch, 1000]. The names of its parameters
are those of the usual public weights.
"""

import torch
from torch import nn

from qcompile.models.network import Network, NormalizePixels

# Expansion, channels, blocks, stride of the first block.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV2(Network):
    """17 inverted residual blocks between a 3x3 and a 1x1 convolution."""

    input_shape = (3, 224, 224)
    classes = 1000

    def __init__(self) -> None:
        super().__init__()
        self.normalize = NormalizePixels()
        layers: list[nn.Module] = [_convolution(3, 32, 3, stride=2)]
        channels = 32
        for expansion, width, blocks, stride in STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, width, stride if block == 0 else 1, expansion))
                channels = width
        layers.append(_convolution(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 1000] of images [batch, 3, 224, 224]."""
        logits: torch.Tensor = self.classifier(self.features(self.normalize(images)).mean(dim=(2, 3)))
        return logits


class InvertedResidual(nn.Module):
    """1x1 to more channels, depthwise 3x3, 1x1 to fewer; a shortcut where the size stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_convolution(channels_in, inner, 1)]
        layers += [
            _convolution(inner, inner, 3, stride=stride, groups=inner),
            nn.Conv2d(inner, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        ]
        self.conv = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [batch, channels_out, height / stride, width / stride]."""
        result: torch.Tensor = self.conv(features)
        return features + result if self.has_shortcut else result


def _convolution(channels_in: int, channels_out: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU6(),
    )
