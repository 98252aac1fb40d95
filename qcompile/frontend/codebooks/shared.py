"""One codebook for several layers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.base import Codebook, Per


@dataclass(frozen=True)
class Shared:
    """A joint C step: ``codebook``, one per tensor, is fitted to all layers that have this very object as their rule.

    Each layer gets the same values and its own indices.
    """

    codebook: Codebook

    def __post_init__(self) -> None:
        if self.codebook.per != "tensor":
            raise RecipeError(f'a codebook per {self.codebook.per!r} cannot be shared by layers; wanted "tensor"')

    @property
    def per(self) -> Per:
        """As ``Codebook.per``."""
        return "tensor"

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return self.codebook.bits

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``: ``weight`` alone."""
        return self.codebook.fit(weight, previous)

    def fit_jointly(
        self, weights: Mapping[str, torch.Tensor], previous: Mapping[str, CodebookWeight] | None = None
    ) -> dict[str, CodebookWeight]:
        """As ``JointCodebook.fit_jointly``."""
        flat = [weight.detach().cpu().float().reshape(1, -1) for weight in weights.values()]
        fitted = self.codebook.fit(torch.cat(flat, dim=1), _join(weights, previous) if previous else None)
        pieces = torch.split(fitted.indices, [piece.shape[1] for piece in flat], dim=1)
        return {
            name: replace(fitted, indices=piece.reshape(weight.shape))
            for (name, weight), piece in zip(weights.items(), pieces, strict=True)
        }

    def encode(self, weight: torch.Tensor, fitted: CodebookWeight) -> CodebookWeight:
        """As ``Codebook.encode``."""
        return self.codebook.encode(weight, fitted)

    def decode(self, fitted: CodebookWeight) -> torch.Tensor:
        """As ``Codebook.decode``."""
        return self.codebook.decode(fitted)


def _join(weights: Mapping[str, torch.Tensor], previous: Mapping[str, CodebookWeight]) -> CodebookWeight:
    """What the layers had, as one weight: they share its values."""
    indices = torch.cat([previous[name].indices.reshape(1, -1) for name in weights], dim=1)
    return replace(previous[next(iter(weights))], indices=indices, corrections=None)
