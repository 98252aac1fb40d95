"""Sums of sorted weights up to any place."""

from dataclasses import dataclass

import numpy as np
import torch

_BLOCK = 64  # weights: to sum the rest of a block is nothing beside a look-up in a long row
_LONG = 1 << 18


@dataclass(frozen=True, eq=False)
class RunningSums:
    """The sums before every ``block``-th of the ``weights``, so that those of long rows are few."""

    weights: torch.Tensor
    sums: torch.Tensor
    block: int

    @classmethod
    def of(cls, weights: torch.Tensor) -> "RunningSums":
        """Those of float32 [rows, weights]."""
        rows, count = weights.shape
        block = _BLOCK if count >= _LONG else 1
        blocks = count // block
        sums = torch.zeros(rows, blocks + 1, dtype=torch.float64)
        whole = weights[:, : blocks * block].reshape(rows, blocks, block)
        sums[:, 1:] = _sum_blocks(whole) if block > 1 else weights
        return cls(weights, sums.cumsum_(dim=1), block)

    def before(self, places: torch.Tensor) -> torch.Tensor:
        """The sum of the weights before each of ``places``, int64 [rows, any]: float64."""
        blocks = places // self.block
        sums = self.sums.gather(1, blocks)
        if self.block == 1:
            return sums
        steps = torch.arange(self.block - 1)
        at = (blocks * self.block)[:, :, None] + steps
        rest = self.weights.gather(1, at.flatten(1).clamp(max=self.weights.shape[1] - 1)).reshape(at.shape)
        return sums + rest.double().masked_fill(at >= places[:, :, None], 0).sum(dim=2)


def _sum_blocks(blocks: torch.Tensor) -> torch.Tensor:
    """The sums of float32 [rows, blocks, block]: float64."""
    return torch.from_numpy(np.einsum("rbk->rb", blocks.numpy(), dtype=np.float64, casting="safe"))
