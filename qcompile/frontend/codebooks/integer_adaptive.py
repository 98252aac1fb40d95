"""A learned codebook of integers times a float scale: as free as int8 kernels allow."""

from dataclasses import dataclass

import torch

from qcompile.errors import RecipeError
from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.base import index_bits
from qcompile.frontend.codebooks.integers import ScalePer, check_scale_per
from qcompile.frontend.codebooks.nearest import NearestEntry, encode_scaled
from qcompile.frontend.codebooks.optimal_integers import (
    GREATEST,
    SortedRows,
    optimal_integers,
    optimal_scales_of_rows,
)
from qcompile.frontend.codebooks.optimal_scale import optimal_scales
from qcompile.frontend.codebooks.rows import as_rows, sort_rows

_GRID = tuple(float(value) for value in range(-GREATEST, GREATEST + 1))
_MAX_TURNS = 20
_LEAST_GAIN = 1e-5  # of the error, in a turn
_STARTS = 8
_KEPT_STARTS = 2
_GREATEST_CLIPPING = 16  # the greatest weight over the greatest product, at a start


@dataclass(frozen=True)
class IntegerAdaptive(NearestEntry):
    """``entries`` (1 to 255) integers from -127 to 127 for the tensor, times its or each output channel's scale.

    Not -128: so every codebook's negative is one too, and no scale need be negative. Minimizes sum (w - s c)**2, a
    local optimum. By turns come the best integers and indices for the scales, globally (``optimal_integers``); the
    best scales for these, in closed form; and the best common factor of the scales for the integers that are nearest
    to the means, globally (``optimal_scales``). No turn raises the error. The first fit starts from the best of 8
    scales, by channel also from as many times each channel's root mean square; later ones from the previous scales.
    """

    entries: int
    scale_per: ScalePer = "tensor"

    def __post_init__(self) -> None:
        if not 1 <= self.entries <= 2 * GREATEST + 1:
            raise RecipeError(f"an integer adaptive codebook has {self.entries} entries, wanted 1 to 255")
        check_scale_per(self.scale_per)

    @property
    def per(self) -> ScalePer:
        """What has a scale of its own."""
        return self.scale_per

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return index_bits(self.entries)

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``."""
        rows = SortedRows.of(sort_rows(as_rows(weight, self.scale_per)))
        if not rows.weights.any():
            return encode_scaled(weight, _centered(self.entries), torch.zeros(len(rows.weights)))
        known = previous.scale if previous is not None else None
        starts = self._starts(rows) if known is None or len(known) != len(rows.weights) else _go_on(rows, known)
        found = [self._take_turns(rows, start) for start in starts]
        _, codebook, scales = min(found, key=lambda each: each[0])
        return encode_scaled(weight, codebook[None].float(), scales.float())

    def _take_turns(self, rows: SortedRows, scales: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
        """The error, less the sum of the squared weights, the integers and the scales that turns reach."""
        codebook, error = optimal_integers(rows, scales, self.entries)
        for _ in range(_MAX_TURNS):
            better_scales = _adjust_factor(rows, codebook, optimal_scales_of_rows(rows, codebook, scales))
            better_codebook, better_error = optimal_integers(rows, better_scales, self.entries)
            gain = error - better_error
            if gain > 0:
                codebook, error, scales = better_codebook, better_error, better_scales
            if not gain > _LEAST_GAIN * (error + rows.square):
                break
        return error, codebook, scales

    def _starts(self, rows: SortedRows) -> list[torch.Tensor]:
        """Scales at which the best codebook has little error, before any turn."""
        wide = rows.weights.double()
        norms = [torch.ones(len(wide), dtype=torch.float64)]
        if len(wide) > 1:
            norms.append(wide.square().mean(dim=1).sqrt())
        starts = [scales for each in norms for scales in _spread_scales(wide, each)]
        return sorted(starts, key=lambda scales: optimal_integers(rows, scales, self.entries)[1])[:_KEPT_STARTS]


def _adjust_factor(rows: SortedRows, codebook: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """``scales`` times the factor for which rounding the means of the entries to the grid costs least."""
    means, masses = rows.means_of_entries(codebook, scales)
    ordered, order = means.sort()
    factor = optimal_scales(ordered[None].float(), _GRID, masses[order][None])
    return scales * factor if factor > 0 else scales


def _centered(entries: int) -> torch.Tensor:
    """Neighbouring integers around 0: what stands for nothing but zeros."""
    return torch.arange(entries, dtype=torch.float32)[None] - entries // 2


def _go_on(rows: SortedRows, scales: torch.Tensor) -> list[torch.Tensor]:
    """The scales of an earlier fit; where one was 0 also with others in its place, for it could not leave 0 alone."""
    known = scales.double()
    if (known > 0).all():
        return [known]
    return [known, torch.where(known > 0, known, _greatest(rows.weights) / GREATEST)]


def _greatest(weights: torch.Tensor) -> torch.Tensor:
    return torch.maximum(weights[:, 0].abs(), weights[:, -1].abs()).double()


def _spread_scales(weights: torch.Tensor, norms: torch.Tensor) -> list[torch.Tensor]:
    """Multiples of ``norms`` [rows]: 127 times the greatest is the greatest weight, down to a 16th of it."""
    greatest = torch.where(norms > 0, _greatest(weights) / norms, 0).max() / GREATEST
    return [greatest * norms * _GREATEST_CLIPPING ** -(step / (_STARTS - 1)) for step in range(_STARTS)]
