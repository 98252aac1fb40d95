"""What a C step is: the kinds of codebook that the learning loop can work with.

Sources: Carreira-Perpinan and Idelbayev, "Model compression as constrained optimization, with application to neural
nets. Part II: quantization", arXiv 1707.04319. In all of them a weight that lies halfway between two entries goes to
the lower one.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight

MAX_ENTRIES = 256
Per = Literal["tensor", "channel"] | int


class Codebook(Protocol):
    """A kind of codebook, a frozen value; ``fit`` is its C step.

    A weight is float of any shape with at least one element, its first size the output channels; it is rounded to
    float32 first. Every method that takes one raises ValueError if it is empty or not finite in float32.
    """

    @property
    def per(self) -> Per:
        """What has values of its own: the tensor, each output channel, or each n neighbouring output channels."""
        ...

    @property
    def bits(self) -> int:
        """Bits that one index takes, at most."""
        ...

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """The codebook and the indices nearest to ``weight`` in squared error.

        ``previous`` is where a search may start; the error is then no greater than with its codebook, up to the
        rounding of entries to float32. Raises RecipeError if ``per`` does not divide the channels.
        """
        ...

    def encode(self, weight: torch.Tensor, fitted: CodebookWeight) -> CodebookWeight:
        """``weight`` in the codebook of an earlier fit: indices anew, without corrections."""
        ...

    def decode(self, fitted: CodebookWeight) -> torch.Tensor:
        """The float32 weight."""
        ...


@runtime_checkable
class JointCodebook(Codebook, Protocol):
    """A C step over several layers at once; layers take part together where their rule is the same object."""

    def fit_jointly(
        self, weights: Mapping[str, torch.Tensor], previous: Mapping[str, CodebookWeight] | None = None
    ) -> dict[str, CodebookWeight]:
        """The codebook weights that together are nearest to all ``weights`` of the group, by name."""
        ...


def check_per(per: object) -> None:
    """Raises RecipeError unless ``per`` is one."""
    if per not in ("tensor", "channel") and not (type(per) is int and per >= 1):
        raise RecipeError(f'a codebook is per {per!r}, wanted "tensor", "channel" or a number of channels from 1')


def check_entries(kind: str, entries: int) -> None:
    """Raises RecipeError unless an index of a byte reaches all ``entries``."""
    if not 1 <= entries <= MAX_ENTRIES:
        raise RecipeError(f"{kind} codebook has {entries} entries, wanted 1 to {MAX_ENTRIES}")


def index_bits(entries: int) -> int:
    """Bits that tell ``entries`` apart, at least 1."""
    return max(1, (entries - 1).bit_length())
