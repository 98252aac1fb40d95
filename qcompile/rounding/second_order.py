"""Rounding with second-order correction: what the rounding of one column breaks, the columns after it mend.

With H = E[x x^T] the squared error of an output is (w - q) H (w - q)^T. Rounding column j by d moves the best values
of the columns that are still free, F, by -d / P_jj * P_j, P the inverse of H over F (optimal brain surgeon; Frantar et
al., arXiv 2210.17323, section 3.2). All outputs share H, so they share P. Its rows are those of the triangular factor
U, P = U^T U for the whole of H, but for a factor that cancels: so U is computed once (section 3.3).
"""

import numpy as np

from qcompile.rounding.grid import Choices, Doubles, Entries

BLOCK = 64  # columns whose corrections to those behind the block are applied together: one product of matrices


def round_one_by_one(rows: Doubles, moments: Doubles, choices: Choices) -> Entries:
    """The entries [n, k] of ``choices`` for ``rows`` [n, k], columns from first to last: the definition, slowly.

    ``moments`` [k, k] is H, positive definite.
    """
    rows, entries = rows.copy(), np.zeros(rows.shape, np.intp)
    for column in range(rows.shape[1]):
        inverse = np.linalg.inv(moments[column:, column:])
        entries[:, column] = choices.nearest(rows[:, column])
        difference = rows[:, column] - choices.values(entries[:, column])
        rows[:, column:] -= np.outer(difference / inverse[0, 0], inverse[0])
    return entries


def inverse_factor(moments: Doubles) -> Doubles:
    """The upper triangular U [k, k] with U^T U the inverse of ``moments`` [k, k].

    Raises numpy.linalg.LinAlgError where that is not positive definite.
    """
    backward = np.linalg.cholesky(moments[::-1, ::-1])[::-1, ::-1]  # upper: moments = backward backward^T
    return np.triu(np.linalg.inv(backward))


def round_second_order(rows: Doubles, factor: Doubles, choices: Choices) -> Entries:
    """What ``round_one_by_one`` gives, with ``factor`` of ``inverse_factor``; the float sums have another order."""
    rows, entries = rows.copy(), np.zeros(rows.shape, np.intp)
    columns = rows.shape[1]
    for start in range(0, columns, BLOCK):
        end = min(start + BLOCK, columns)
        scaled = np.zeros((len(rows), end - start))
        for column in range(start, end):
            entries[:, column] = choices.nearest(rows[:, column])
            difference = rows[:, column] - choices.values(entries[:, column])
            scaled[:, column - start] = difference / factor[column, column]
            rows[:, column + 1 : end] -= np.outer(scaled[:, column - start], factor[column, column + 1 : end])
        rows[:, end:] -= scaled @ factor[start:end, end:]
    return entries


def output_errors(differences: Doubles, moments: Doubles) -> Doubles:
    """The squared error [n] of each output, d H d^T for the rows d of ``differences`` [n, k]."""
    found: Doubles = np.einsum("nk,nk->n", differences @ moments, differences)
    return found
