"""How far two measures agree on which plan is better."""

import math
from collections.abc import Sequence

import numpy as np

from qcompile.errors import QCompileError


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float:
    """Kendall's tau-b, -1 to 1: pairs that ``a`` and ``b`` order alike less those that they order otherwise.

    It is divided by the geometric mean of the pairs that either has no tie in (Kendall 1945), so it is 1 for sequences
    that order alike, ties too. Memory grows with the square of the length. Raises QCompileError if lengths differ, a
    value is not a number, or one sequence has no two different values: then there is no order to agree on.
    """
    if len(a) != len(b):
        raise QCompileError(f"rank: sequences of {len(a)} and {len(b)} values, wanted as many in both")
    signs = [np.sign(np.subtract.outer(values, values)) for values in map(_ranks, (a, b))]
    untied = [float(np.abs(sign).sum()) for sign in signs]
    if not all(untied):
        raise QCompileError(f"rank: {len(a)} values that are all equal, or fewer than two: they have no order")
    return float((signs[0] * signs[1]).sum()) / math.sqrt(untied[0] * untied[1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Whole numbers in the order of ``values``: infinities have no difference."""
    array = np.asarray(values, np.float64)
    if np.isnan(array).any():
        raise QCompileError("rank: a value is not a number")
    return np.unique(array, return_inverse=True)[1].astype(np.int64)
