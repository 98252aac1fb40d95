"""ResNet-18 for ImageNet (He et al., arXiv 1512.03385, table 1).

Takes float32 images [batch, 3, 224, 224] with pixels in [0, 1], gives logits [batch, 1000]. The names of its parameters
are those of the usual public weights.
"""

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.models.network import Network, NormalizePixels


class ResNet18(Network):
    """4 stages of two residual blocks with 64 to 512 channels; shortcuts that change the size are 1x1 convolutions."""

    input_shape = (3, 224, 224)
    classes = 1000

    def __init__(self) -> None:
        super().__init__()
        self.normalize = NormalizePixels()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _make_stage(64, 64, 1)
        self.layer2 = _make_stage(64, 128, 2)
        self.layer3 = _make_stage(128, 256, 2)
        self.layer4 = _make_stage(256, 512, 2)
        self.fc = nn.Linear(512, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 1000] of images [batch, 3, 224, 224]."""
        features = F.relu(self.bn1(self.conv1(self.normalize(images))))
        features = F.max_pool2d(features, 3, stride=2, padding=1)
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        logits: torch.Tensor = self.fc(features.mean(dim=(2, 3)))
        return logits


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        changes = stride != 1 or channels_in != channels_out
        self.downsample = _shortcut(channels_in, channels_out, stride) if changes else nn.Identity()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [batch, channels_out, height / stride, width / stride]."""
        inner = F.relu(self.bn1(self.conv1(features)))
        return F.relu(self.bn2(self.conv2(inner)) + self.downsample(features))


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False), nn.BatchNorm2d(channels_out)
    )


def _make_stage(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(channels_in, channels_out, stride), BasicBlock(channels_out, channels_out, 1))
