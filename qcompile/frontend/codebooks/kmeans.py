"""K-means on a line, many rows at once: sort once, then a step costs entries * log(weights), not weights * entries."""

import torch

from qcompile.frontend.codebooks.nearest import repeat_last, round_down
from qcompile.frontend.codebooks.running_sums import RunningSums

_MAX_STEPS = 1000  # Lloyd's steps never raise the error, so a limit only ends slow creeping
_STARTS = 8
_MAX_SAMPLE = 1 << 16


def fit_kmeans(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """The codebook that Lloyd's algorithm reaches from ``codebook``: float64 [rows, entries], a local optimum.

    ``ordered`` is float32 [rows, weights], rising along a row. Each entry becomes the mean of the weights nearest to
    it, until no weight changes its entry. An entry that no weight is nearest to moves to the weight that is farthest
    from its own entry. A row with fewer distinct weights than entries repeats its last entry.
    """
    running_sums = RunningSums.of(ordered)
    codebook = _repeat_lloyd(ordered, running_sums, codebook)
    for _ in range(codebook.shape[1]):
        moved = _fill_empty_entry(ordered, codebook)
        if torch.equal(moved, codebook):
            break
        codebook = _repeat_lloyd(ordered, running_sums, moved)
    unused = find_borders(ordered, codebook).diff(dim=1) == 0
    return repeat_last(codebook, unused)


def start_kmeans(ordered: torch.Tensor, entries: int, seed: int = 0) -> torch.Tensor:
    """The best of a few k-means++ starts, each already fitted: float64 [rows, entries].

    Of a long row only 2**16 weights, evenly spread in their order, take part in this.
    """
    sample = ordered[:, :: -(-ordered.shape[1] // _MAX_SAMPLE)].contiguous()
    generator = torch.Generator().manual_seed(seed)
    best = fit_kmeans(sample, _draw_entries(sample, entries, generator))
    for _ in range(_STARTS - 1):
        other = fit_kmeans(sample, _draw_entries(sample, entries, generator))
        better = _squared_error(sample, other) < _squared_error(sample, best)
        best = torch.where(better, other, best)
    return best


def find_borders(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Entry k serves the weights borders[k] to borders[k + 1] of its row: int64 [rows, entries + 1].

    ``codebook`` is float64 [rows, entries], rising; a weight on a middle goes to the lower entry.
    """
    inner = count_at_most(ordered, (codebook[:, 1:] + codebook[:, :-1]) / 2)
    rows, weights = ordered.shape
    return torch.cat([inner.new_zeros(rows, 1), inner, inner.new_full((rows, 1), weights)], dim=1)


def count_at_most(ordered: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
    """How many weights of each row are at most each of its ``limits``, float64 [rows, limits]: int64."""
    return torch.searchsorted(ordered, round_down(limits).contiguous(), right=True)


def _repeat_lloyd(ordered: torch.Tensor, running_sums: RunningSums, codebook: torch.Tensor) -> torch.Tensor:
    borders = find_borders(ordered, codebook)
    for _ in range(_MAX_STEPS):
        counts = borders.diff(dim=1)
        means = running_sums.before(borders).diff(dim=1) / counts
        codebook = torch.where(counts > 0, means, codebook).sort(dim=1).values
        before, borders = borders, find_borders(ordered, codebook)
        if torch.equal(before, borders):
            break
    return codebook


def _fill_empty_entry(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """``codebook`` with the first unused entry of each row at the weight farthest from its entry, if any is away.

    The farthest weight is at an end of its entry's run.
    """
    borders = find_borders(ordered, codebook)
    unused = borders.diff(dim=1) == 0
    if not unused.any():
        return codebook
    ends = torch.cat([borders[:, :-1].clamp(max=ordered.shape[1] - 1), (borders[:, 1:] - 1).clamp(min=0)], dim=1)
    weights = ordered.gather(1, ends).double()
    distances = (weights - torch.cat([codebook, codebook], dim=1)).abs().masked_fill(torch.cat([unused, unused], 1), 0)
    farthest = distances.argmax(dim=1, keepdim=True)
    movable = unused.any(dim=1, keepdim=True) & (distances.gather(1, farthest) > 0)
    first_unused = torch.nn.functional.one_hot(unused.long().argmax(dim=1), codebook.shape[1]).bool()
    return torch.where(movable & first_unused, weights.gather(1, farthest), codebook).sort(dim=1).values


def _draw_entries(ordered: torch.Tensor, entries: int, generator: torch.Generator) -> torch.Tensor:
    """k-means++: each entry is a weight drawn with the square of its distance to the entries drawn before."""
    rows, weights = ordered.shape
    wide = ordered.double()
    codebook = wide.gather(1, torch.randint(weights, (rows, 1), generator=generator))
    squares = (wide - codebook).square()
    for _ in range(entries - 1):
        mass = squares.cumsum(dim=1)
        point = torch.rand(rows, 1, dtype=torch.float64, generator=generator) * mass[:, -1:]
        drawn = torch.searchsorted(mass, point, right=True).clamp(max=weights - 1)
        entry = wide.gather(1, drawn)
        codebook = torch.cat([codebook, entry], dim=1)
        squares = squares.minimum((wide - entry).square())
    return codebook.sort(dim=1).values


def _squared_error(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    middles = (codebook[:, 1:] + codebook[:, :-1]) / 2
    wide = ordered.double()
    nearest = codebook.gather(1, torch.searchsorted(middles.contiguous(), wide))
    return (wide - nearest).square().sum(dim=1, keepdim=True)
