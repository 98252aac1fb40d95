"""A codebook plus a few corrections: the weights that no entry comes near to are corrected one by one.

Source: Carreira-Perpinan and Idelbayev, "Model compression as constrained optimization, with application to neural
nets. Part V: combining compressions", arXiv 2107.04380: additive combinations, and Theorem 4.1.
"""

import dataclasses
from dataclasses import dataclass

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight, Corrections
from qcompile.frontend.codebooks import Codebook, Per

MAX_ROUNDS = 10  # of alternation


@dataclass(frozen=True)
class Corrected:
    """What ``codebook`` is, plus a correction for the ``share`` (0 to 1) of the weights that need it most.

    A tensor of N weights gets round(share * N) corrections, fewer where the codebook meets weights exactly. With
    a codebook of fixed values that is the least squared error there is (Theorem 4.1); with free values the codebook
    and the corrections are fitted in turn, each to what the other leaves: a local optimum.
    """

    codebook: Codebook
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise RecipeError(f"corrections are a share of {self.share} of the weights, wanted 0 to 1")

    @property
    def per(self) -> Per:
        """What one codebook serves."""
        return self.codebook.per

    @property
    def bits(self) -> int:
        """Bits that one index takes, at most; a correction takes its own."""
        return self.codebook.bits

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``; starts from the codebook and the corrections of ``previous``."""
        count = round(self.share * weight.numel())
        if not count:
            return self.codebook.fit(weight, without_corrections(previous))
        fitted = self._fit_once(weight, previous, count)
        error = squared_error(weight, fitted)
        for _ in range(MAX_ROUNDS - 1):
            better = self._fit_once(weight, fitted, count)
            error, before = squared_error(weight, better), error
            if error >= before:
                break
            fitted = better
        return fitted

    def encode(self, weight: torch.Tensor, fitted: CodebookWeight) -> CodebookWeight:
        """As ``Codebook.encode``, for what the corrections of ``fitted`` leave; they stay."""
        plain = self.codebook.encode(_less_corrections(weight, fitted), fitted)
        return dataclasses.replace(plain, corrections=fitted.corrections)

    def decode(self, fitted: CodebookWeight) -> torch.Tensor:
        """As ``Codebook.decode``."""
        return fitted.decode()

    def _fit_once(self, weight: torch.Tensor, previous: CodebookWeight | None, count: int) -> CodebookWeight:
        """The codebook on what the corrections of ``previous`` leave, then the corrections on what it leaves."""
        plain = self.codebook.fit(_less_corrections(weight, previous), without_corrections(previous))
        return dataclasses.replace(plain, corrections=largest(weight.detach().cpu().double() - plain.decode(), count))


def largest(residual: torch.Tensor, count: int) -> Corrections | None:
    """The ``count`` elements of ``residual`` of largest magnitude, the first ones at a tie; None where all are zero.

    ``residual`` is float of any shape; zeros, also those that float32 rounds to, are left out.
    """
    values = residual.flatten().float()
    order = values.abs().sort(descending=True, stable=True).indices[:count]
    positions = order[values[order] != 0].sort().values
    return Corrections(positions, values[positions]) if len(positions) else None


def squared_error(weight: torch.Tensor, fitted: CodebookWeight) -> float:
    """Sum (weight - decoded)^2 in float64."""
    return float((weight.detach().cpu().double() - fitted.decode()).square().sum())


def without_corrections(weight: CodebookWeight | None) -> CodebookWeight | None:
    """The codebook part of ``weight`` alone."""
    return None if weight is None else dataclasses.replace(weight, corrections=None)


def _less_corrections(weight: torch.Tensor, previous: CodebookWeight | None) -> torch.Tensor:
    """What is left of ``weight`` for a codebook to meet."""
    if previous is None or previous.corrections is None:
        return weight
    positions, values = previous.corrections.positions, previous.corrections.values.double()
    return weight.detach().cpu().double().flatten().index_add(0, positions, -values).reshape(weight.shape)
