"""What all networks here have in common."""

from typing import ClassVar, Literal

import torch
from torch import nn

Colour = tuple[float, float, float]


class Network(nn.Module):
    """An image classifier that knows the shape of its input, channels, height, width, and how many classes it has.

    ``resampling`` is how pictures were resized for the public weights.
    """

    input_shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[int] = 10
    resampling: ClassVar[Literal["bilinear", "bicubic"]] = "bilinear"


class NormalizePixels(nn.Module):
    """Pixels in [0, 1] with three channels, less ``mean`` and over ``deviation``: those of most ImageNet networks.

    Inside the network, so that a deployed file takes plain pixels. The two are no part of the saved parameters.
    """

    def __init__(self, mean: Colour = (0.485, 0.456, 0.406), deviation: Colour = (0.229, 0.224, 0.225)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).reshape(3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shaped like ``images`` [batch, 3, height, width]."""
        return (images - self.mean) / self.deviation  # type: ignore[operator]  # torch types buffers as Module too
