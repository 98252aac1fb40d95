"""The LeNets of the LC papers, and a smaller one for 8x8 digits.

All take float32 images [batch, 1, height, width] with pixels in [0, 1], and give logits [batch, 10]. There is no
mean to subtract: on MNIST the plain pixels gave the lowest validation error, and a deployed model needs no
preparation beyond the division by the largest pixel.
"""

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.models.network import Network


class LeNet300(Network):
    """784-300-100-10 with tanh: 266,200 weights and 410 biases."""

    input_shape = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, 10)
        _initialize(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 10] of images [batch, 1, 28, 28]."""
        hidden = torch.tanh(self.fc1(images.flatten(1)))
        hidden = torch.tanh(self.fc2(hidden))
        logits: torch.Tensor = self.fc3(hidden)
        return logits


class LeNet5(Network):
    """The Caffe LeNet5 with ReLU and, while training, dropout before the last layer: 430,500 weights, 580 biases."""

    input_shape = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)
        self.dropout = nn.Dropout(0.5)
        _initialize(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 10] of images [batch, 1, 28, 28]."""
        hidden = F.max_pool2d(F.relu(self.conv1(images)), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        logits: torch.Tensor = self.fc2(self.dropout(hidden))
        return logits


class DigitsNet(Network):
    """A small LeNet for 8x8 images: 18,664 weights and 122 biases; trains in seconds."""

    input_shape = (1, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 3, padding=1)
        self.conv2 = nn.Conv2d(24, 48, 3, padding=1)
        self.fc1 = nn.Linear(192, 40)
        self.fc2 = nn.Linear(40, 10)
        _initialize(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 10] of images [batch, 1, 8, 8]."""
        hidden = F.max_pool2d(F.relu(self.conv1(images)), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        hidden = F.relu(self.fc1(hidden.flatten(1)))
        logits: torch.Tensor = self.fc2(hidden)
        return logits


def _initialize(network: nn.Module) -> None:
    """Xavier-uniform weights and zero biases, as in the LC papers."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
