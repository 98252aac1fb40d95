"""A codebook of given values times a free scale plus a free shift."""

from dataclasses import dataclass

import torch

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.adaptive import Adaptive
from qcompile.frontend.codebooks.base import Per, check_per, index_bits
from qcompile.frontend.codebooks.kmeans import count_at_most
from qcompile.frontend.codebooks.nearest import NearestEntry, encode_nearest
from qcompile.frontend.codebooks.optimal_scale import optimal_scales
from qcompile.frontend.codebooks.rows import as_rows, sort_rows
from qcompile.frontend.codebooks.running_sums import RunningSums
from qcompile.frontend.codebooks.values import check_values, is_symmetric

_MAX_STEPS = 100
_MAX_PLACES = 24  # of the ends of a start
_MAX_ENTRIES_AT_ONCE = 1 << 16
_FIRST_STEPS = 4
_KEPT_STARTS = 8


@dataclass(frozen=True)
class ScaledShifted(NearestEntry):
    """The codebook a * ``values`` + b. With one or two values it is k-means, and as ``Adaptive``.

    With more it is a local optimum: least squares for (a, b) and nearest entries by turns, from many starts: pairs
    of entries at pairs of up to 24 quantiles, the optimum of ``Scaled``, the line through ``Adaptive``, the
    previous codebook. So it is never worse than these. ``values`` are as in ``Scaled``, and a may be negative.
    """

    values: tuple[float, ...]
    per: Per = "tensor"

    def __post_init__(self) -> None:
        check_values(self.values)
        check_per(self.per)

    @property
    def bits(self) -> int:
        """As ``Codebook.bits``."""
        return index_bits(len(self.values))

    def fit(self, weight: torch.Tensor, previous: CodebookWeight | None = None) -> CodebookWeight:
        """As ``Codebook.fit``."""
        free = Adaptive(len(self.values), self.per).fit(weight, previous)
        if len(self.values) <= 2:
            return free
        starts = [free.codebook.double()]
        if previous is not None and previous.codebook.shape == free.codebook.shape:
            starts.append(previous.codebook.double())
        return encode_nearest(weight, self._search(sort_rows(as_rows(weight, self.per)), starts))

    def _search(self, ordered: torch.Tensor, starts: list[torch.Tensor]) -> torch.Tensor:
        """The best codebook that is found: float64 [rows, entries]."""
        scales = optimal_scales(ordered, self.values)
        entries = torch.tensor(self.values, dtype=torch.float64)
        gains, codebooks = _climb(ordered, entries, scales, starts)
        if not is_symmetric(self.values):
            more, mirrored = _climb(ordered, -entries.flip(0), -scales, starts)
            codebooks = torch.where((more > gains)[:, None], mirrored, codebooks)
        return codebooks


def _climb(
    ordered: torch.Tensor, entries: torch.Tensor, scales: torch.Tensor, starts: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """How much the best line that is not falling lowers the error of each row's mean, and its codebook.

    ``scales`` [rows] are those of the best line through zero; ``starts`` are codebooks, float64 [rows, entries].
    """
    through_zero = torch.stack([scales.clamp(min=0), torch.zeros_like(scales)], dim=1)[:, None]
    ends = torch.tensor([[0], [len(entries) - 1]])
    starting = [_lines_through(start[:, None, [0, -1]], entries, ends) for start in starts]
    starting += [through_zero, _spread_lines(ordered, entries)]
    sums = RunningSums.of(ordered)
    gains, lines = _alternate(ordered, sums, entries, torch.cat(starting, dim=1), _FIRST_STEPS)
    kept = gains.topk(min(_KEPT_STARTS, gains.shape[1]), dim=1).indices
    lines = lines.gather(1, kept[:, :, None].expand(-1, -1, 2))
    gains, lines = _alternate(ordered, sums, entries, lines, _MAX_STEPS)
    rows, best = torch.arange(len(ordered)), gains.argmax(dim=1)
    return gains[rows, best], lines[rows, best, :1] * entries + lines[rows, best, 1:]


def _spread_lines(ordered: torch.Tensor, entries: torch.Tensor) -> torch.Tensor:
    """Lines that put two entries at two quantiles: all pairs of both, or fewer to keep the work in bounds."""
    rows, count = len(ordered), len(entries)
    pairs, places = torch.triu_indices(count, count, offset=1), _MAX_PLACES
    if rows * count * pairs.shape[1] * places * places // 2 > _MAX_ENTRIES_AT_ONCE:
        pairs = torch.tensor([[0], [count - 1]])
    while places > 4 and rows * count * pairs.shape[1] * places * places // 2 > _MAX_ENTRIES_AT_ONCE:
        places //= 2
    low, high = torch.triu_indices(places, places, offset=1)
    quantiles = ordered[:, torch.linspace(0, ordered.shape[1] - 1, places).long()].double()
    return _lines_through(torch.stack([quantiles[:, low], quantiles[:, high]], dim=2), entries, pairs)


def _lines_through(values: torch.Tensor, entries: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Scale and shift that give two entries two values, for each of ``pairs`` [2, pairs] of entries.

    ``values`` is float64 [rows, starts, 2]; the result [rows, starts * pairs, 2].
    """
    low, high = entries[pairs[0]], entries[pairs[1]]
    scales = (values[:, :, 1:] - values[:, :, :1]) / (high - low)
    return torch.stack([scales, values[:, :, :1] - scales * low], dim=3).flatten(1, 2)


def _alternate(
    ordered: torch.Tensor, sums: RunningSums, entries: torch.Tensor, lines: torch.Tensor, steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gains [rows, starts] and lines [rows, starts, 2], scale and shift, that alternation reaches from ``lines``."""
    borders = _find_borders(ordered, entries, lines)
    gains, lines = _fit_lines(borders, sums, entries, lines)
    for _ in range(steps):
        before, borders = borders, _find_borders(ordered, entries, lines)
        if torch.equal(before, borders):
            break
        gains, lines = _fit_lines(borders, sums, entries, lines)
    return gains, lines


def _find_borders(ordered: torch.Tensor, entries: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
    """Entry k of a line serves the weights borders[k] to borders[k + 1]: int64 [rows, starts, entries + 1]."""
    middles = lines[:, :, :1] * (entries[1:] + entries[:-1]) / 2 + lines[:, :, 1:]
    inner = count_at_most(ordered, middles.flatten(1)).reshape(middles.shape)
    padded = torch.nn.functional.pad(inner, (1, 1))
    padded[:, :, -1] = ordered.shape[1]
    return padded


def _fit_lines(
    borders: torch.Tensor, sums: RunningSums, entries: torch.Tensor, lines: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Least squares of the weights on their entries; a line whose weights share one entry keeps its scale."""
    counts = borders.diff(dim=2).double()
    totals = sums.before(borders.flatten(1)).reshape(borders.shape).diff(dim=2)
    weights, whole = counts.sum(dim=2), totals.sum(dim=2)
    mean_entry = counts @ entries / weights
    spread = (counts * (entries - mean_entry[:, :, None]).square()).sum(dim=2)
    shared = (totals * (entries - mean_entry[:, :, None])).sum(dim=2)
    varied = spread > 0
    scales = torch.where(varied, shared / spread, lines[:, :, 0])
    gains = torch.where(varied, shared.square() / spread, 0)
    return gains, torch.stack([scales, whole / weights - scales * mean_entry], dim=2)
