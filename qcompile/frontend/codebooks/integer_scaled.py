"""Grids of integers times a float scale: exactly what integer kernels read."""

from dataclasses import dataclass

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.base import index_bits
from qcompile.frontend.codebooks.integers import ScalePer, check_scale_per
from qcompile.frontend.codebooks.nearest import NearestEntry, encode_scaled
from qcompile.frontend.codebooks.optimal_scale import optimal_scales
from qcompile.frontend.codebooks.rows import as_rows, sort_rows
from qcompile.frontend.codebooks.values import check_integers


@dataclass(frozen=True)
class IntegerScaled(NearestEntry):
    """Integers, each times the tensor's or its output channel's scale: the global optimum over all real scales.

    ``values`` are 1 to 256 rising integers from -128 to 127: powers of two down to 2**-C are 2**C times those. The
    fitted ``codebook`` holds them as float32 and ``scale`` the scales, negative where an asymmetric grid serves better
    upside down. A weight is the float32 product of the two.
    """

    values: tuple[float, ...]
    scale_per: ScalePer = "tensor"

    def __post_init__(self) -> None:
        check_integers(self.values)
        check_scale_per(self.scale_per)

    @property
    def per(self) -> ScalePer:
        """What has a scale of its own."""
        return self.scale_per

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return index_bits(len(self.values))

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; needs no start."""
        scales = optimal_scales(sort_rows(as_rows(weight, self.scale_per)), self.values).float()
        return encode_scaled(weight, torch.tensor([self.values], dtype=torch.float32), scales)


@dataclass(frozen=True)
class UniformGrid(NearestEntry):
    """The grid -2**(bits - 1) to 2**(bits - 1) - 1 times a scale: all integers of ``bits`` (2 to 8) bits.

    It needs no table: an entry is its index minus 2**(bits - 1). There is no zero point. As ``IntegerScaled``.
    """

    bits: int
    scale_per: ScalePer = "tensor"

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise RecipeError(
                f'a uniform grid has {self.bits} bits, wanted 2 to 8; for 1 bit take "integer-scaled" with -1 and 1'
            )
        check_scale_per(self.scale_per)

    @property
    def per(self) -> ScalePer:
        """What has a scale of its own."""
        return self.scale_per

    @property
    def values(self) -> tuple[float, ...]:
        """The entries."""
        half = 1 << (self.bits - 1)
        return tuple(float(value) for value in range(-half, half))

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; needs no start."""
        return IntegerScaled(self.values, self.scale_per).fit(weight, previous)
