"""A learned weight: indices into codebooks. What learning hands to the exporter."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class CodebookWeight:
    """A weight whose every element is an entry of a codebook.

    ``codebook`` is float32 [groups, entries], 1 to 256 entries that never decrease along a row; a group with fewer
    distinct entries repeats its last one. Group g serves the output channels g * n / groups and on, n being the
    first size of the weight. ``indices`` is uint8, shaped like the weight, each below ``entries``.
    """

    codebook: torch.Tensor
    indices: torch.Tensor

    def __post_init__(self) -> None:
        groups, entries = self.codebook.shape
        if self.codebook.dtype != torch.float32 or self.indices.dtype != torch.uint8:
            raise ValueError(
                f"codebook {self.codebook.dtype} and indices {self.indices.dtype}: wanted float32 and uint8"
            )
        if not 1 <= entries <= 256 or self.indices.shape[0] % groups or int(self.indices.max()) >= entries:
            raise ValueError(f"codebook {list(self.codebook.shape)} does not serve indices {list(self.indices.shape)}")
        if not torch.isfinite(self.codebook).all() or (self.codebook.diff(dim=1) < 0).any():
            raise ValueError("a codebook must be finite and must not decrease along a row")

    def decode(self) -> torch.Tensor:
        """The float32 weight, shaped like ``indices``."""
        groups = self.codebook.shape[0]
        by_group = self.indices.reshape(groups, -1).long()
        return self.codebook.gather(1, by_group).reshape(self.indices.shape)

    @property
    def bits(self) -> int:
        """Bits that one index takes: ceil(log2(entries)), at least 1."""
        return max(1, (self.codebook.shape[1] - 1).bit_length())
