"""A codebook of given values times a free scale."""

from dataclasses import dataclass

import torch

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.base import Per, check_per, index_bits
from qcompile.frontend.codebooks.nearest import NearestEntry, encode_nearest
from qcompile.frontend.codebooks.optimal_scale import optimal_scales
from qcompile.frontend.codebooks.rows import as_rows, sort_rows
from qcompile.frontend.codebooks.values import check_values


@dataclass(frozen=True)
class Scaled(NearestEntry):
    """The codebook a * ``values``, the global optimum over all real a, at any size.

    ``values`` are 1 to 256 rising numbers that float32 tells apart. a may be negative: an asymmetric codebook such as
    {-2, -1, 0, 1} then stands upside down.
    """

    values: tuple[float, ...]
    per: Per = "tensor"

    def __post_init__(self) -> None:
        check_values(self.values)
        check_per(self.per)

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return index_bits(len(self.values))

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; needs no start."""
        scales = optimal_scales(sort_rows(as_rows(weight, self.per)), self.values)
        return encode_nearest(weight, scaled_rows(scales, self.values))


def scaled_rows(scales: torch.Tensor, values: tuple[float, ...]) -> torch.Tensor:
    """The codebook of each scale: float64 [scales, values], rising."""
    return (scales[:, None] * torch.tensor(values, dtype=torch.float64)).sort(dim=1).values
