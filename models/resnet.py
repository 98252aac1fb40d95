"""The ResNets for CIFAR (He et al., arXiv 1512.03385, section 4.2), with shortcuts that have no weights (option A).

They take float32 images [batch, 3, 32, 32] with pixels in [0, 1] and give logits [batch, 10]. The names of their
parameters are those of the usual public weights.
"""

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.models.network import Network, NormalizePixels


class ResNet(Network):
    """3 stages of ``blocks`` residual blocks with 16, 32 and 64 channels: 6 * blocks + 2 layers with weights."""

    input_shape = (3, 32, 32)

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.normalize = NormalizePixels()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _make_stage(16, 16, blocks)
        self.layer2 = _make_stage(16, 32, blocks)
        self.layer3 = _make_stage(32, 64, blocks)
        self.linear = nn.Linear(64, 10)
        _initialize(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 10] of images [batch, 3, 32, 32]."""
        features = F.relu(self.bn1(self.conv1(self.normalize(images))))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: torch.Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut; the first block of a stage halves height and width."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.stride = channels_out // channels_in
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [batch, channels_out, height / stride, width / stride]."""
        inner = F.relu(self.bn1(self.conv1(features)))
        return F.relu(self.bn2(self.conv2(inner)) + self._shorten(features))

    def _shorten(self, features: torch.Tensor) -> torch.Tensor:
        """Option A: every second pixel, and channels of zeros on both sides."""
        if self.stride == 1:
            return features
        more = self.conv1.out_channels - self.conv1.in_channels
        return F.pad(features[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, more // 2, more - more // 2))


def _make_stage(channels_in: int, channels_out: int, blocks: int) -> nn.Sequential:
    first = ResidualBlock(channels_in, channels_out)
    return nn.Sequential(first, *(ResidualBlock(channels_out, channels_out) for _ in range(blocks - 1)))


def _initialize(network: nn.Module) -> None:
    """He initialization, as in the paper."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
