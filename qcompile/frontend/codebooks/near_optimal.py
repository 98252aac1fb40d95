"""A start for Lloyd's steps where the optimum itself costs too much: the optimum among a few thousand cuts."""

import numpy as np
import torch

from qcompile.codebooks.optimal_kmeans import Moments, count_candidates, solve

_MAX_CUTS = 2048
_MAX_CANDIDATES = 1 << 22
_MAX_SAMPLE = 1 << 18


def start_near_optimum(ordered: torch.Tensor, entries: int) -> torch.Tensor:
    """The codebook that is optimal among those whose runs end at a few cuts: float64 [rows, entries], rising.

    ``ordered`` is float32 [rows, weights], rising along a row. Half of the cuts lie at equal numbers of weights, half
    at equal distances, so that dense and sparse regions both have some. There are as many as keep the work in bounds,
    up to 2048, but at least 4 for each entry. Of a long row only 2**18 weights, evenly spread in their order, do.
    """
    step = -(-ordered.shape[1] // _MAX_SAMPLE)
    ordered = ordered[:, step // 2 :: step].contiguous()
    cuts = _MAX_CUTS
    while cuts > 4 * entries and count_candidates(len(ordered), cuts, entries) > _MAX_CANDIDATES:
        cuts //= 2
    path = solve(_moments_at(ordered, _place_cuts(ordered, cuts // 2)), entries)
    return torch.from_numpy(path.codebook(entries))


def _place_cuts(ordered: torch.Tensor, halves: int) -> torch.Tensor:
    """int64 [rows, 2 * halves], rising from 0 to the number of weights."""
    rows, weights = ordered.shape
    by_count = torch.linspace(0, weights, halves).long().expand(rows, -1)
    steps = torch.linspace(0, 1, halves, dtype=torch.float64)
    low, high = ordered[:, :1].double(), ordered[:, -1:].double()
    by_value = torch.searchsorted(ordered, (low + (high - low) * steps).float(), right=True)
    return torch.cat([by_count, by_value], dim=1).sort(dim=1).values


def _moments_at(ordered: torch.Tensor, cuts: torch.Tensor) -> Moments:
    weights = ordered.double()
    centers = weights.mean(dim=1, keepdim=True)
    centered = weights.sub_(centers) if weights is not ordered else weights - centers
    sums = _at(centered.cumsum(dim=1), cuts)
    squares = _at(centered.square_().cumsum(dim=1), cuts)
    return Moments(cuts.double().numpy(), sums, squares, centers.numpy())


def _at(running: torch.Tensor, cuts: torch.Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return torch.nn.functional.pad(running, (1, 0)).gather(1, cuts).numpy()
