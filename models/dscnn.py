"""DS-CNN, which spots keywords in a second of sound: Zhang et al., arXiv 1711.07128, in the form that MLPerf Tiny has.

Takes float32 [batch, 1, 49, 10], ten cepstral coefficients of each of 49 pieces of a second; gives logits [batch, 12].
Padded as TensorFlow pads.
"""

import torch
from torch import nn

from qcompile.models.network import Network

CHANNELS, BLOCKS = 64, 4
EPSILON = 1e-3


class DSCNN(Network):
    """A 10x4 convolution with stride 2, four pairs of a 3x3 depthwise and a 1x1 convolution, the mean, a layer."""

    input_shape = (1, 49, 10)
    classes = 12

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ZeroPad2d((1, 1, 4, 5)),
            *_with_norm(nn.Conv2d(1, CHANNELS, (10, 4), stride=2)),
            nn.Dropout(0.2),
            *(layer for _ in range(BLOCKS) for layer in _separable()),
            nn.Dropout(0.4),
        )
        self.classifier = nn.Linear(CHANNELS, self.classes)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 12] of ``sound`` [batch, 1, 49, 10]."""
        logits: torch.Tensor = self.classifier(self.features(sound).mean(dim=(2, 3)))
        return logits


def _separable() -> list[nn.Module]:
    depthwise = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
    return [*_with_norm(depthwise), *_with_norm(nn.Conv2d(CHANNELS, CHANNELS, 1))]


def _with_norm(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(CHANNELS, eps=EPSILON), nn.ReLU()]
