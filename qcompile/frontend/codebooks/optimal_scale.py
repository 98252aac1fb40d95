"""The real scale that brings a fixed codebook nearest to weights, globally."""

import numpy as np
import torch

from qcompile.frontend.codebooks.scale_bounds import search_by_bounds
from qcompile.frontend.codebooks.scale_events import Floats, search_all_events
from qcompile.frontend.codebooks.values import is_symmetric

_MAX_EVENTS = 1 << 18  # that are sorted at once: about 0.1 s and 30 MB


def optimal_scales(
    ordered: torch.Tensor, values: tuple[float, ...], masses: torch.Tensor | None = None
) -> torch.Tensor:
    """The scale a of each row that makes a * ``values`` nearest to it in squared error: float64 [rows].

    ``ordered`` is float [rows, weights], rising along a row; ``masses``, of the same shape and not negative, is what
    each weight's error counts, 1 if absent. Negative where an asymmetric codebook serves better upside down. A row of
    zeros has the scale 0.
    """
    counts = None if masses is None else masses.double().numpy()
    entries = np.array(values, np.float64)
    scales, gains = _search(ordered, counts, entries)
    if not is_symmetric(values):
        mirrored, mirrored_gains = _search(ordered, counts, -entries[::-1])
        scales = np.where(mirrored_gains > gains, -mirrored, scales)
    return torch.from_numpy(scales)


def _search(ordered: torch.Tensor, masses: Floats | None, entries: Floats) -> tuple[Floats, Floats]:
    """The best scales that are not negative, and their gains: [rows]."""
    events = ordered.shape[1] * len(entries)
    if events > _MAX_EVENTS:
        row_masses = [None] * len(ordered) if masses is None else list(masses)
        found = [
            search_by_bounds(row.float(), counts, entries) for row, counts in zip(ordered, row_masses, strict=True)
        ]
        return np.array([scale for scale, _ in found]), np.array([gain for _, gain in found])
    weights = ordered.double().numpy()
    counts = np.ones_like(weights) if masses is None else masses
    tall = max(1, _MAX_EVENTS // events)
    parts = [
        search_all_events(weights[row : row + tall], counts[row : row + tall], entries)
        for row in range(0, len(weights), tall)
    ]
    return np.concatenate([scales for scales, _ in parts]), np.concatenate([gains for _, gains in parts])
