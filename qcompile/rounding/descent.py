"""Rounded weights made better: one column after the other, each number again, with all others as they are.

With the errors d of a row, the squared error of its output d H d^T is a parabola in one number of it, whose least lies
where H_jj (w_j - q_j) = -sum of H_ij d_i over the other columns i: so the entry nearest to that is the best one for it,
and no step raises the error. Rounding with second-order correction sees only the columns behind it; this, all.
(Behdin et al., "QuantEase", arXiv 2309.01885, section 3, starts so from the nearest numbers.)
"""

import numpy as np

from qcompile.rounding.grid import Choices, Doubles, Entries
from qcompile.rounding.second_order import BLOCK


def descend_one_by_one(target: Doubles, moments: Doubles, choices: Choices, entries: Entries) -> Entries:
    """``entries`` [n, k] of ``choices`` for ``target`` [n, k] after one pass over all columns: the definition, slowly.

    ``moments`` [k, k] is H, positive definite.
    """
    entries = entries.copy()
    for column in range(target.shape[1]):
        differences = target - choices.values(entries)
        differences[:, column] = 0
        wanted = target[:, column] + differences @ moments[column] / moments[column, column]
        entries[:, column] = choices.nearest(wanted)
    return entries


def descend(target: Doubles, moments: Doubles, choices: Choices, entries: Entries) -> Entries:
    """What ``descend_one_by_one`` gives; the float sums have another order."""
    entries, values = entries.copy(), choices.values(entries)
    slopes = (target - values) @ moments
    for start in range(0, target.shape[1], BLOCK):
        block = slice(start, min(start + BLOCK, target.shape[1]))
        before = values[:, block].copy()
        for column in range(block.start, block.stop):
            entries[:, column] = choices.nearest(values[:, column] + slopes[:, column] / moments[column, column])
            moved = choices.values(entries[:, column]) - values[:, column]
            values[:, column] += moved
            slopes[:, column + 1 : block.stop] -= np.outer(moved, moments[column, column + 1 : block.stop])
        slopes[:, block.stop :] -= (values[:, block] - before) @ moments[block, block.stop :]
    return entries
