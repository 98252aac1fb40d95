"""One layer rounded to one width, for a run of the network."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.allocation.exchanging import Exchanged
from qcompile.codebooks import Lookup
from qcompile.passes._write_lookup import as_weight, weight_rows
from qcompile.rounding import Rounding, SecondOrder
from qcompile.rounding.candidates import Candidate
from qcompile.rounding.layer import RoundedRows, round_rows
from qcompile.rounding.lookups import plain_lookup
from qcompile.rounding.moments import Moments
from qcompile.rounding.network import shift_of

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tried:
    """What a layer becomes, and the squared error of its output: of its weight where what it reads is not known."""

    exchanged: Exchanged
    error: float


def try_bits(candidate: Candidate, moments: Moments | None, bits: int, rounding: Rounding) -> Tried:
    """The layer rounded to ``bits`` bits as ``rounding`` says, by the ``moments`` of what it reads in the network."""
    rows = weight_rows(candidate.node)
    if moments is None or not isinstance(rounding, SecondOrder):
        values = _values(plain_lookup(rows, bits, rounding.values if isinstance(rounding, SecondOrder) else "grid"))
        still = shift_of(candidate, np.zeros(len(rows)))
        error = float(np.square(values - rows, dtype=np.float64).sum())
        return Tried(Exchanged(as_weight(candidate.node, values), still), error)
    rounded = round_rows(rows, moments, bits, rounding.damping, rounding.values)
    weight = as_weight(candidate.node, rounded.values().astype(np.float32))
    return Tried(Exchanged(weight, shift_of(candidate, rounded.shift)), _error(rounded))


def _error(rounded: RoundedRows) -> float:
    return float(rounded.error.sum())


def _values(lookup: Lookup) -> Floats:
    """The weight [n, k] that ``lookup`` in one codebook stands for."""
    assert lookup.scales is not None
    values: Floats = lookup.codebook[0][lookup.entries] * lookup.scales[:, None]
    return values
