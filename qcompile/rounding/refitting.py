"""Codebooks and scales of the least error of the outputs, with the entries as they are: linear least squares.

With C the k x K matrix that has a one where a column takes an entry, a row is s C a, a its codebook and s its scale,
and its output's squared error (w - s C a)^T H (w - s C a). So the best a solves s^2 C^T H C a = s C^T H w, summed over
the rows that share it; the best s is (v^T H w) / (v^T H v), v = C a.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from qcompile.codebooks.levels import Levels
from qcompile.rounding.grid import Doubles, Entries
from qcompile.rounding.groups import Group

MOST_NUMBERS = 1 << 19  # of what is held at once of C and H C


def best_codebook(groups: Sequence[Group], levels: Levels, entries: Entries) -> Doubles:
    """The codebook, of the shape that ``levels`` has, of the least error for the targets of ``groups``.

    ``entries`` [n, k] are those of all groups, one behind the other. An entry that no number takes stays. What is
    found need not rise.
    """
    systems = _systems(groups, levels, entries)
    if levels.codebook.ndim == 2:
        return np.stack([_solve(*system, old) for system, old in zip(systems, levels.codebook, strict=True)])
    count = len(levels.codebook)
    square, right = np.zeros((count, count)), np.zeros(count)
    for matrix, vector in systems:
        square, right = square + matrix, right + vector
    return _solve(square, right, levels.codebook)


def best_scales(groups: Sequence[Group], levels: Levels, entries: Entries) -> Doubles:
    """The scales [n] of the least error; one that would not be above 0 stays."""
    values = Levels(levels.codebook, np.ones_like(levels.scales)).values(entries)
    parts = zip(groups, np.split(values, len(groups)), strict=True)
    weighed = np.concatenate([part @ group.damped for group, part in parts])
    targets = np.concatenate([group.target for group in groups])
    products, squares = (np.einsum("nk,nk->n", weighed, other) for other in (targets, values))
    found = np.divide(products, squares, out=levels.scales.copy(), where=squares > 0)
    better: Doubles = np.where((found > 0) & (levels.scales > 0), found, levels.scales)
    return better


def _systems(groups: Sequence[Group], levels: Levels, entries: Entries) -> Iterator[tuple[Doubles, Doubles]]:
    """Of each row s^2 C^T H C [K, K] and s C^T H w [K]."""
    count = levels.codebook.shape[-1]
    parts = (np.split(each, len(groups)) for each in (entries, levels.scales))
    for group, taken, scales in zip(groups, *parts, strict=True):
        weighed = group.target @ group.damped
        step = max(1, MOST_NUMBERS // (count * taken.shape[1]))
        for start in range(0, len(taken), step):
            rows = slice(start, start + step)
            chosen = (taken[rows, :, None] == np.arange(count)).astype(np.float64)  # C of each row
            squares = chosen.transpose(0, 2, 1) @ (group.damped @ chosen)
            rights = np.einsum("nkK,nk->nK", chosen, weighed[rows])
            for square, right, scale in zip(squares, rights, scales[rows], strict=True):
                yield scale**2 * square, scale * right


def _solve(square: Doubles, right: Doubles, old: Doubles) -> Doubles:
    """The entries that solve the system, ``old`` ones where no number takes them."""
    found, used = old.copy(), np.diag(square) > 0
    found[used] = np.linalg.solve(square[np.ix_(used, used)], right[used])
    return found
