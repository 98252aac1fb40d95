"""EfficientNet-Lite0 for ImageNet: EfficientNet (Tan and Le, arXiv 1905.11946) without squeeze and swish, with ReLU6.

Takes float32 images [batch, 3, 224, 224] with pixels in [0, 1], gives logits [batch, 1000]. The names of its parameters
are those of the usual public weights.
"""

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.models.network import Network, NormalizePixels

# Expansion, channels, blocks, stride of the first block, kernel.
STAGES = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)),
    *((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
)
# Of the public weights that pad both sides alike; those from the first publication want 1e-3 and pad otherwise.
EPSILON = 1e-5


class EfficientNetLite0(Network):
    """16 inverted residual blocks with 3x3 and 5x5 kernels between a 3x3 and a 1x1 convolution."""

    input_shape = (3, 224, 224)
    classes = 1000
    resampling = "bicubic"

    def __init__(self) -> None:
        super().__init__()
        self.normalize = NormalizePixels()
        self.conv_stem = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32, eps=EPSILON)
        self.blocks = _make_stages(32)
        self.conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(1280, eps=EPSILON)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 1000] of images [batch, 3, 224, 224]."""
        features = F.relu6(self.bn1(self.conv_stem(self.normalize(images))))
        features = F.relu6(self.bn2(self.conv_head(self.blocks(features))))
        logits: torch.Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


class SeparableBlock(nn.Module):
    """Depthwise convolution, then 1x1: the first stage, which does not expand."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = _depthwise(channels_in, stride, kernel)
        self.bn1 = nn.BatchNorm2d(channels_in, eps=EPSILON)
        self.conv_pw = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out, eps=EPSILON)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [batch, channels_out, height / stride, width / stride]."""
        result: torch.Tensor = self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(features)))))
        return result


class InvertedResidual(nn.Module):
    """1x1 to more channels, depthwise, 1x1 to fewer; a shortcut where the size stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, kernel: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.conv_pw = nn.Conv2d(channels_in, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner, eps=EPSILON)
        self.conv_dw = _depthwise(inner, stride, kernel)
        self.bn2 = nn.BatchNorm2d(inner, eps=EPSILON)
        self.conv_pwl = nn.Conv2d(inner, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out, eps=EPSILON)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [batch, channels_out, height / stride, width / stride]."""
        inner = F.relu6(self.bn2(self.conv_dw(F.relu6(self.bn1(self.conv_pw(features))))))
        result: torch.Tensor = self.bn3(self.conv_pwl(inner))
        return features + result if self.has_shortcut else result


def _depthwise(channels: int, stride: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)


def _make_stages(channels: int) -> nn.Sequential:
    stages = []
    for expansion, width, blocks, stride, kernel in STAGES:
        stage: list[nn.Module] = []
        for block in range(blocks):
            step = stride if block == 0 else 1
            if expansion == 1:
                stage.append(SeparableBlock(channels, width, step, kernel))
            else:
                stage.append(InvertedResidual(channels, width, step, kernel, expansion))
            channels = width
        stages.append(nn.Sequential(*stage))
    return nn.Sequential(*stages)
