"""The C steps: each finds the codebook, and an index for each weight, that are nearest to a weight in squared error.

A kind of codebook is a frozen value; ``fit`` is its C step. Sources: Carreira-Perpinan and Idelbayev, "Model
compression as constrained optimization, with application to neural nets. Part II: quantization", arXiv 1707.04319.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.kmeans import fit_kmeans, repeat_last, start_kmeans

MAX_ENTRIES = 256

Per = Literal["tensor", "channel"]


class Codebook(Protocol):
    """What the learning loop needs of a kind of codebook."""

    @property
    def per(self) -> Per:
        """What one codebook serves: a whole tensor, or one output channel."""
        ...

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """The codebook and the indices nearest to ``weight``; ``previous`` is where the search may start.

        ``weight`` is float of any shape with at least one element. Raises ValueError if it is not finite.
        """
        ...


@dataclass(frozen=True)
class Adaptive:
    """A codebook of ``entries`` (1 to 256) free values: k-means, a local optimum.

    The first fit starts from k-means++ (the better of a few seeded draws), later ones from the previous codebook.
    """

    entries: int
    per: Per = "tensor"

    def __post_init__(self) -> None:
        if not 1 <= self.entries <= MAX_ENTRIES:
            raise RecipeError(f"an adaptive codebook has {self.entries} entries, wanted 1 to {MAX_ENTRIES}")
        _check_per(self.per)

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``."""
        rows = as_rows(weight, self.per)
        ordered = rows.sort(dim=1).values
        if previous is None:
            return encode(weight, start_kmeans(ordered, self.entries))
        return encode(weight, fit_kmeans(ordered, previous.codebook.double()))


@dataclass(frozen=True)
class ScaledBinary:
    """The codebook {-a, +a}: a is the mean magnitude, the global optimum (section 4.2). A zero becomes -a."""

    per: Per = "tensor"

    def __post_init__(self) -> None:
        _check_per(self.per)

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; needs no start."""
        scale = as_rows(weight, self.per).abs().mean(dim=1, keepdim=True)
        return encode(weight, scale * torch.tensor([-1.0, 1.0], dtype=torch.float64))


@dataclass(frozen=True)
class ScaledTernary:
    """The codebook {-a, 0, +a}, the global optimum (section 4.2).

    With the magnitudes in falling order, the j largest are worth keeping where their sum over sqrt(j) is greatest;
    a is their mean.
    """

    per: Per = "tensor"

    def __post_init__(self) -> None:
        _check_per(self.per)

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; needs no start."""
        sums = as_rows(weight, self.per).abs().sort(dim=1, descending=True).values.cumsum(dim=1)
        counts = torch.arange(1, sums.shape[1] + 1, dtype=torch.float64)
        kept = (sums / counts.sqrt()).argmax(dim=1, keepdim=True)
        scale = sums.gather(1, kept) / counts[kept]
        return encode(weight, scale * torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))


def as_rows(weight: torch.Tensor, per: Per) -> torch.Tensor:
    """The weights that share a codebook in a row each: float64 on the CPU, [1, all] or per channel [channels, rest].

    Raises ValueError if ``weight`` is empty or not finite.
    """
    if weight.numel() == 0 or not torch.isfinite(weight).all():
        raise ValueError(f"a weight {list(weight.shape)} is empty or not finite")
    channels = weight.shape[0] if per == "channel" and weight.dim() > 0 else 1
    return weight.detach().cpu().double().reshape(channels, -1)


def encode(weight: torch.Tensor, codebook: torch.Tensor) -> CodebookWeight:
    """Each weight's nearest entry; at a tie the lowest index wins.

    ``codebook`` is float64 [groups, entries]; it is rounded to float32 before the entries are compared, so that what
    is stored is what is nearest. Entries that become equal are merged.
    """
    rounded = (codebook + 0.0).float()  # adding zero turns -0.0 into 0.0
    repeated = torch.nn.functional.pad(rounded.diff(dim=1) == 0, (1, 0))
    stored = repeat_last(rounded, repeated)
    rows = weight.detach().cpu().double().reshape(len(stored), -1)
    indices = nearest_entry(rows, stored.double()).to(torch.uint8)
    return CodebookWeight(stored, indices.reshape(weight.shape))


def nearest_entry(rows: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """The lowest index of the entry nearest to each weight: int64, shaped like ``rows`` [groups, weights].

    ``codebook`` is [groups, entries] and never decreases along a row.
    """
    middles = (codebook[:, 1:] + codebook[:, :-1]) / 2
    indices = torch.searchsorted(middles.contiguous(), rows.contiguous())
    return torch.searchsorted(codebook.contiguous(), codebook.gather(1, indices))  # the first of equal entries


def _check_per(per: str) -> None:
    if per not in ("tensor", "channel"):
        raise RecipeError(f'a codebook is per "{per}", wanted "tensor" or "channel"')
