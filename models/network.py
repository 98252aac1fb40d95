"""What all networks here have in common."""

from typing import ClassVar, Literal

import torch
from torch import nn


class Network(nn.Module):
    """An image classifier that knows the shape of its input, channels, height, width, and how many classes it has.

    ``resampling`` is how pictures were resized for the public weights.
    """

    input_shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[int] = 10
    resampling: ClassVar[Literal["bilinear", "bicubic"]] = "bilinear"


class NormalizePixels(nn.Module):
    """Pixels in [0, 1] with three channels, less the mean and over the deviation that ImageNet networks use.

    Inside the network, so that a deployed file takes plain pixels. The two are no part of the saved parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shaped like ``images`` [batch, 3, height, width]."""
        return (images - self.mean) / self.deviation  # type: ignore[operator]  # torch types buffers as Module too
