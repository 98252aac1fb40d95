"""Learned bit-widths: the C step chooses how many entries each layer's codebook has, for a budget of bytes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.adaptive import Adaptive
from qcompile.frontend.codebooks.allocation import Option, choose_options
from qcompile.frontend.codebooks.base import Per, check_per
from qcompile.frontend.codebooks.nearest import NearestEntry

_ENTRY_BYTES = 4
_WIDEST = 8


@dataclass(frozen=True)
class LearnedWidths(NearestEntry):
    """Adaptive codebooks of 2**b entries, b chosen among ``widths`` for each layer, ``weight_bytes`` at most in all.

    The C step minimizes lambda * bytes + mu/2 * distortion over all layers of the rule, where lambda is found by
    bisection so that indices and codebooks fit the budget; mu then only scales lambda. As learning goes on, the
    weights that the loss holds back from their entries are what makes a layer's distortion large, and it gets more
    bits. Raises RecipeError for a width outside 1 to 8, and in the C step for a budget that nothing meets.
    """

    weight_bytes: int
    widths: tuple[int, ...]
    per: Per = "tensor"

    def __post_init__(self) -> None:
        check_per(self.per)
        if not self.widths or len(set(self.widths)) < len(self.widths) or not set(self.widths) <= set(range(1, 9)):
            raise RecipeError(f"widths are {list(self.widths)}, wanted different ones from 1 to {_WIDEST}")
        if self.weight_bytes < 1:
            raise RecipeError(f"weight_bytes is {self.weight_bytes}, wanted at least 1")

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``: the widest choice."""
        return max(self.widths)

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``, for a layer alone with the budget."""
        return self.fit_jointly({"": weight}, {"": previous} if previous else None)[""]

    def fit_jointly(
        self, weights: Mapping[str, torch.Tensor], previous: Mapping[str, CodebookWeight] | None = None
    ) -> dict[str, CodebookWeight]:
        """As ``JointCodebook.fit_jointly``."""
        fitted = {name: self._fit_all_widths(weight, (previous or {}).get(name)) for name, weight in weights.items()}
        options = [[_describe(weights[name], each) for each in choices.values()] for name, choices in fitted.items()]
        try:
            chosen = choose_options(options, self.weight_bytes)
        except ValueError as error:
            raise RecipeError(f"weight_bytes is too low: {error}; allow more bytes or fewer bits") from error
        return {name: fitted[name][option.bits] for name, option in zip(weights, chosen, strict=True)}

    def _fit_all_widths(self, weight: torch.Tensor, previous: CodebookWeight | None) -> dict[int, CodebookWeight]:
        return {bits: Adaptive(2**bits, self.per).fit(weight, previous) for bits in self.widths}


def _describe(weight: torch.Tensor, fitted: CodebookWeight) -> Option:
    size_bytes = -(-weight.numel() * fitted.bits // 8) + _ENTRY_BYTES * fitted.codebook.numel()
    distortion = float((weight.detach().cpu().double() - fitted.decode().double()).square().sum())
    return Option(fitted.bits, size_bytes, distortion)
