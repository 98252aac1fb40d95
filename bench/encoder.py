"""A transformer encoder of common shape for the benchmarks: 6 layers, 384 wide, 6 heads, 1536 inside, 128 positions."""

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, INNER, LAYERS, POSITIONS = 384, 6, 1536, 6, 128


class Encoder(nn.Module):
    """Vectors [batch, 128, 384] to vectors of the same shape."""

    input_shape = (POSITIONS, WIDTH)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Applies all layers."""
        for layer in self.layers:
            vectors = layer(vectors)
        return vectors


class Layer(nn.Module):
    """Attention and two linear layers, each normalized after its shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.join = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.widen, self.narrow = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors of the shape of ``vectors``."""
        vectors = self.norm1(vectors + self.join(self._attend(vectors)))
        return self.norm2(vectors + self.narrow(F.gelu(self.widen(vectors))))

    def _attend(self, vectors: torch.Tensor) -> torch.Tensor:
        batch, positions, _ = vectors.shape
        split = (batch, positions, HEADS, WIDTH // HEADS)
        query, key, value = (
            part(vectors).reshape(split).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        weights = torch.softmax(query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5, dim=-1)
        return (weights @ value).transpose(1, 2).reshape(vectors.shape)
