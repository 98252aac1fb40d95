"""The weights that share a codebook in a row each."""

import numpy as np
import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks.base import Per


def as_rows(weight: torch.Tensor, per: Per) -> torch.Tensor:
    """float32 on the CPU, [groups, weights of a group]; shares memory with ``weight`` where it can.

    Raises ValueError if ``weight`` is empty or not finite in float32; RecipeError if ``per`` divides not its channels.
    """
    flat = weight.detach().cpu().float()
    if flat.numel() == 0 or not torch.isfinite(torch.stack(flat.aminmax())).all():  # both are NaN where one weight is
        raise ValueError(f"a weight {list(weight.shape)} is empty or not finite in float32")
    return flat.reshape(_count_groups(weight, per), -1)


def sort_rows(rows: torch.Tensor) -> torch.Tensor:
    """``rows`` rising along each row; numpy's sort is several times faster than torch's."""
    return torch.from_numpy(np.sort(rows.numpy(), axis=1))


def _count_groups(weight: torch.Tensor, per: Per) -> int:
    channels = weight.shape[0] if weight.dim() > 0 else 1
    if per == "tensor":
        return 1
    size = 1 if per == "channel" else int(per)
    if channels % size:
        raise RecipeError(
            f"a codebook serves {size} output channels but a weight {list(weight.shape)} has {channels}; "
            "wanted a divisor of them"
        )
    return channels // size
