"""What float weights become where activations stay floats: each way is a value."""

from dataclasses import dataclass
from typing import Literal, get_args

Per = Literal["tensor", "scaled", "channel"]


@dataclass(frozen=True)
class CodebookWeights:
    """Lookups in codebooks of 2**``bits`` (1 to 8 bits) free values, with the least squared error.

    ``per`` "tensor" is one codebook for a weight, "scaled" one codebook times a scale of each output, "channel" a
    codebook for each output. Raises ValueError for other values.
    """

    bits: int = 8
    per: Per = "scaled"

    def __post_init__(self) -> None:
        _check_bits(self.bits)
        if self.per not in get_args(Per):
            raise ValueError(f'codebooks per "{self.per}": wanted one of {", ".join(get_args(Per))}')


@dataclass(frozen=True)
class GridWeights:
    """Whole numbers of ``bits`` (1 to 8) bits times a step of each output. Raises ValueError for other bits."""

    bits: int = 8

    def __post_init__(self) -> None:
        _check_bits(self.bits)


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= 8:
        raise ValueError(f"weights of {bits} bits: wanted 1 to 8")
