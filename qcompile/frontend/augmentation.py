"""Random changes of training images that leave their class as it is."""

import torch
from torch.nn import functional as F

_BORDER = 4


def crop_and_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by up to 4 pixels in both directions, zeros filling up, and every second one mirrored.

    ``images`` is [count, channels, height, width]; the result is a new tensor, channels last in memory. Source: He
    et al., arXiv 1512.03385, section 4.2.
    """
    count, _, height, width = images.shape
    padded = F.pad(images, (_BORDER,) * 4).permute(0, 2, 3, 1)
    top, left = torch.randint(2 * _BORDER + 1, (2, count, 1), generator=generator)
    mirrored = torch.randint(2, (count, 1), generator=generator).bool()
    rows = top + torch.arange(height)
    columns = left + torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    which = torch.arange(count)[:, None, None]
    return padded[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
