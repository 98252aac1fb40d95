"""{-a, a} and {-a, 0, a}: the codebooks whose best scale has a closed form (1707.04319, section 4.2)."""

from dataclasses import dataclass

import torch

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.base import Per, check_per
from qcompile.frontend.codebooks.nearest import NearestEntry, encode_nearest
from qcompile.frontend.codebooks.rows import as_rows, sort_rows


@dataclass(frozen=True)
class ScaledBinary(NearestEntry):
    """The codebook {-a, +a}: a is the mean magnitude, the global optimum. A zero becomes -a, the lower entry."""

    per: Per = "tensor"

    def __post_init__(self) -> None:
        check_per(self.per)

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return 1

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; needs no start."""
        scale = as_rows(weight, self.per).abs().mean(dim=1, keepdim=True, dtype=torch.float64)
        return encode_nearest(weight, scale * torch.tensor([-1.0, 1.0], dtype=torch.float64))


@dataclass(frozen=True)
class ScaledTernary(NearestEntry):
    """The codebook {-a, 0, +a}, the global optimum.

    With the magnitudes in falling order, the j largest are worth keeping where their sum over sqrt(j) is greatest;
    a is their mean.
    """

    per: Per = "tensor"

    def __post_init__(self) -> None:
        check_per(self.per)

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return 2

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; needs no start."""
        falling = sort_rows(as_rows(weight, self.per).abs()).flip(1)
        sums = falling.cumsum(dim=1, dtype=torch.float64)
        counts = torch.arange(1, sums.shape[1] + 1, dtype=torch.float64)
        kept = (sums / counts.sqrt()).argmax(dim=1, keepdim=True)
        scale = sums.gather(1, kept) / counts[kept]
        return encode_nearest(weight, scale * torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))
