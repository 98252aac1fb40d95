"""A codebook of free values: k-means."""

from dataclasses import dataclass
from typing import Literal

import torch

from qcompile.codebooks.optimal_kmeans import count_candidates
from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.base import Per, check_entries, check_per, index_bits
from qcompile.frontend.codebooks.kmeans import fit_kmeans, start_kmeans
from qcompile.frontend.codebooks.near_optimal import start_near_optimum
from qcompile.frontend.codebooks.nearest import NearestEntry, encode_nearest
from qcompile.frontend.codebooks.optimal_kmeans import optimal_codebooks
from qcompile.frontend.codebooks.rows import as_rows, sort_rows

MAX_EXACT_CANDIDATES = 1 << 22  # about 0.1 s


@dataclass(frozen=True)
class Adaptive(NearestEntry):
    """A codebook of ``entries`` (1 to 256) free values.

    ``method`` "exact" is the global optimum in every fit. "kmeans" is a local one: the first fit starts from k-means++
    (the best of a few seeded draws), later ones from the previous codebook. "auto" is the global optimum in the first
    fit where that weighs at most 2**22 candidates (``count_candidates``: 2 entries for 4 million weights, 4 for
    100,000, 16 for 18,000), else a local one from the optimum among a few thousand cuts; later fits start from the
    previous codebook: in learning, a global optimum that jumps from one iteration to the next undoes what was learned.
    """

    entries: int
    per: Per = "tensor"
    method: Literal["auto", "exact", "kmeans"] = "auto"

    def __post_init__(self) -> None:
        check_entries("an adaptive", self.entries)
        check_per(self.per)
        if self.method not in ("auto", "exact", "kmeans"):
            raise RecipeError(f'the method is "{self.method}", wanted "auto", "exact" or "kmeans"')

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return index_bits(self.entries)

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``."""
        ordered = sort_rows(as_rows(weight, self.per))
        return encode_nearest(weight, fit_kmeans(ordered, self._start(ordered, previous)))

    def _start(self, ordered: torch.Tensor, previous: CodebookWeight | None) -> torch.Tensor:
        if self.method == "exact":
            return optimal_codebooks(ordered, self.entries).codebook(self.entries)
        if previous is not None and previous.scale is None and previous.codebook.shape == (len(ordered), self.entries):
            return previous.codebook.double()
        if self.method == "kmeans":
            return start_kmeans(ordered, self.entries)
        rows, weights = ordered.shape
        if count_candidates(rows, weights, self.entries) <= MAX_EXACT_CANDIDATES:
            return optimal_codebooks(ordered, self.entries).codebook(self.entries)
        return start_near_optimum(ordered, self.entries)
