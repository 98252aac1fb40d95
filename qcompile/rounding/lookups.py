"""A rounded weight as a lookup, of all whole numbers of so many bits or of those alone that it has."""

import numpy as np
import numpy.typing as npt

from qcompile.codebooks import Lookup
from qcompile.passes.round_weights import grid_lookup, number_lookup, round_to_grid
from qcompile.rounding.methods import Values
from qcompile.rounding.starts import codebook_start


def plain_lookup(rows: npt.NDArray[np.float32], bits: int, values: Values) -> Lookup:
    """The nearest numbers to ``rows`` [n, k], at most 2**``bits`` of them."""
    if values == "grid":
        return as_lookup(*round_to_grid(rows, bits), bits, values)
    start = codebook_start(rows.astype(np.float64), None, bits)
    return as_lookup(start.nearest, start.steps, bits, values)


def as_lookup(numbers: npt.NDArray[np.int16], steps: npt.NDArray[np.float32], bits: int, values: Values) -> Lookup:
    """``numbers`` [n, k] times ``steps`` [n] as a lookup."""
    return (grid_lookup if values == "grid" else number_lookup)(numbers, steps, bits)
