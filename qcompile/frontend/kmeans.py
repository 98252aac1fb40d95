"""K-means on a line, many rows at once: sort once, then a step costs entries * log(weights), not weights * entries."""

import torch

_MAX_STEPS = 1000  # Lloyd's steps never raise the error, so a limit only ends slow creeping
_STARTS = 8


def start_kmeans(ordered: torch.Tensor, entries: int, seed: int = 0) -> torch.Tensor:
    """The best codebook of a few k-means++ starts: float64 [rows, entries], never decreasing along a row.

    ``ordered`` is float64 [rows, weights], rising along a row.
    """
    generator = torch.Generator().manual_seed(seed)
    best = fit_kmeans(ordered, _draw_entries(ordered, entries, generator))
    for _ in range(_STARTS - 1):
        other = fit_kmeans(ordered, _draw_entries(ordered, entries, generator))
        better = _squared_error(ordered, other) < _squared_error(ordered, best)
        best = torch.where(better, other, best)
    return best


def fit_kmeans(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """The codebook that Lloyd's algorithm reaches from ``codebook``: float64 [rows, entries].

    Each entry becomes the mean of the weights nearest to it, until no weight changes its entry. An entry that no
    weight is nearest to moves to the weight that is farthest from its own entry. A row with fewer distinct weights
    than entries repeats its last entry.
    """
    prefix_sums = torch.nn.functional.pad(ordered.cumsum(dim=1), (1, 0))
    codebook = _repeat_lloyd(ordered, prefix_sums, codebook)
    for _ in range(codebook.shape[1]):
        moved = _fill_empty_entry(ordered, codebook)
        if torch.equal(moved, codebook):
            break
        codebook = _repeat_lloyd(ordered, prefix_sums, moved)
    unused = _borders(ordered, codebook).diff(dim=1) == 0
    return repeat_last(codebook, unused)


def _repeat_lloyd(ordered: torch.Tensor, prefix_sums: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    borders = _borders(ordered, codebook)
    for _ in range(_MAX_STEPS):
        counts = borders.diff(dim=1)
        means = prefix_sums.gather(1, borders).diff(dim=1) / counts
        codebook = torch.where(counts > 0, means, codebook).sort(dim=1).values
        before, borders = borders, _borders(ordered, codebook)
        if torch.equal(before, borders):
            break
    return codebook


def _borders(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Entry k serves the weights borders[k] to borders[k + 1] of its row: int64 [rows, entries + 1]."""
    middles = (codebook[:, 1:] + codebook[:, :-1]) / 2
    inner = torch.searchsorted(ordered, middles, right=True)  # a weight on a middle goes to the lower entry
    rows, weights = ordered.shape
    return torch.cat([inner.new_zeros(rows, 1), inner, inner.new_full((rows, 1), weights)], dim=1)


def _fill_empty_entry(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """``codebook`` with the first unused entry of each row at the weight farthest from its entry, if any is away."""
    unused = _borders(ordered, codebook).diff(dim=1) == 0
    if not unused.any():
        return codebook
    distances = _distances(ordered, codebook)
    farthest = distances.argmax(dim=1, keepdim=True)
    movable = unused.any(dim=1, keepdim=True) & (distances.gather(1, farthest) > 0)
    first_unused = torch.nn.functional.one_hot(unused.long().argmax(dim=1), codebook.shape[1]).bool()
    return torch.where(movable & first_unused, ordered.gather(1, farthest), codebook).sort(dim=1).values


def repeat_last(codebook: torch.Tensor, dropped: torch.Tensor) -> torch.Tensor:
    """``codebook`` [rows, entries], rising along a row, without the ``dropped`` entries; the last one left fills up."""
    last = codebook.masked_fill(dropped, -torch.inf).amax(dim=1, keepdim=True)
    return codebook.masked_fill(dropped, torch.inf).sort(dim=1).values.minimum(last)


def _draw_entries(ordered: torch.Tensor, entries: int, generator: torch.Generator) -> torch.Tensor:
    """k-means++: each entry is a weight drawn with the square of its distance to the entries drawn before."""
    rows, weights = ordered.shape
    drawn = torch.randint(weights, (rows, 1), generator=generator)
    codebook = ordered.gather(1, drawn)
    squares = (ordered - codebook).square()
    for _ in range(entries - 1):
        mass = squares.cumsum(dim=1)
        point = torch.rand(rows, 1, dtype=torch.float64, generator=generator) * mass[:, -1:]
        drawn = torch.searchsorted(mass, point, right=True).clamp(max=weights - 1)
        entry = ordered.gather(1, drawn)
        codebook = torch.cat([codebook, entry], dim=1)
        squares = squares.minimum((ordered - entry).square())
    return codebook.sort(dim=1).values


def _distances(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    middles = (codebook[:, 1:] + codebook[:, :-1]) / 2
    return (ordered - codebook.gather(1, torch.searchsorted(middles.contiguous(), ordered))).abs()


def _squared_error(ordered: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    return _distances(ordered, codebook).square().sum(dim=1, keepdim=True)
