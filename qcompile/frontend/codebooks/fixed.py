"""Codebooks whose values are known beforehand: each weight goes to its nearest entry (1707.04319, section 4.1)."""

from dataclasses import dataclass

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.base import Per, index_bits
from qcompile.frontend.codebooks.nearest import NearestEntry, encode_nearest
from qcompile.frontend.codebooks.rows import as_rows
from qcompile.frontend.codebooks.values import check_values

_MAX_SMALLEST_EXPONENT = 126  # 2**-126 is the least normal float32, and 255 entries fit a byte


class FixedValues(NearestEntry):
    """What the fixed codebooks share; ``values`` rise."""

    values: tuple[float, ...]

    @property
    def per(self) -> Per:
        """One codebook serves everything."""
        return "tensor"

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return index_bits(len(self.values))

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``: the nearest entries; needs no start."""
        as_rows(weight, "tensor")
        return encode_nearest(weight, torch.tensor([self.values], dtype=torch.float64))


@dataclass(frozen=True)
class Fixed(FixedValues):
    """The codebook ``values``: 1 to 256 rising numbers that float32 tells apart."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        check_values(self.values)


@dataclass(frozen=True)
class Binary(FixedValues):
    """The codebook {-1, 1}. A zero lies halfway and becomes -1, as every tie goes to the lower entry."""

    @property
    def values(self) -> tuple[float, ...]:  # type: ignore[override]
        """The entries."""
        return (-1.0, 1.0)


@dataclass(frozen=True)
class Ternary(FixedValues):
    """The codebook {-1, 0, 1}."""

    @property
    def values(self) -> tuple[float, ...]:  # type: ignore[override]
        """The entries."""
        return (-1.0, 0.0, 1.0)


@dataclass(frozen=True)
class PowersOfTwo(FixedValues):
    """The codebook {0, +-1, +-1/2, ..., +-2**-smallest_exponent}, nearest in value and not in exponent."""

    smallest_exponent: int

    def __post_init__(self) -> None:
        if not 0 <= self.smallest_exponent <= _MAX_SMALLEST_EXPONENT:
            raise RecipeError(f"smallest_exponent is {self.smallest_exponent}, wanted 0 to {_MAX_SMALLEST_EXPONENT}")

    @property
    def values(self) -> tuple[float, ...]:  # type: ignore[override]
        """The entries."""
        powers = [2.0**-exponent for exponent in range(self.smallest_exponent + 1)]
        return (*(-power for power in powers), 0.0, *reversed(powers))
