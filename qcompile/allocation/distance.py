"""How far the outputs of a network are from those of the float network, as one number: no labels are needed."""

from collections.abc import Sequence

import numpy as np

from qcompile.allocation.exchanging import Outputs


def output_change(wanted: Sequence[Outputs], found: Sequence[Outputs]) -> float:
    """The distance of ``found`` from ``wanted``, the outputs for each batch: zero where they are the same.

    The squared error of each float output over its squared size, in the mean of the outputs. Infinite where ``found``
    is not finite.
    """
    ratios = []
    for place in range(len(wanted[0])):
        pairs = [(a[place].astype(np.float64), b[place].astype(np.float64)) for a, b in zip(wanted, found, strict=True)]
        error = sum(float(np.square(b - a).sum()) for a, b in pairs)
        size = sum(float(np.square(a).sum()) for a, _ in pairs)
        ratios.append(error / size if size else error)
    change = float(np.mean(ratios))
    return change if np.isfinite(change) else np.inf
