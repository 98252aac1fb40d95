"""How often activations of each size occurred, counted batch by batch.

A bin is a float32 without the last bits of its mantissa: BINS_PER_OCTAVE between a power of two and the next, for
either sign. So no range must be known in advance, counts of batches simply add up, and an outlier does not take the
resolution from the bulk of the values, as it does with bins of one width. The window of OCTAVES octaves ends with
the largest magnitude seen and rises with it; what falls out of it at the lower end, less than 2^-15 of that
magnitude, counts as zero. The result does not depend on how the values were split into batches.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MANTISSA_BITS = 23
BIN_BITS = 10  # of the mantissa that tell bins apart
BINS_PER_OCTAVE = 1 << BIN_BITS
OCTAVES = 16
BINS = OCTAVES * BINS_PER_OCTAVE  # of one sign
RELATIVE_HALF_WIDTH = 0.5 / BINS_PER_OCTAVE  # of a bin, at most, relative to its values
DROPPED = MANTISSA_BITS - BIN_BITS  # bits of a float32 that its bin does not tell
KEYS = 1 << (31 - DROPPED)  # of one sign; the sign is the bit above them
CHUNK = 1 << 18  # values counted at once: bounds the memory of their keys

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of float32 values: their exact range, how many are zero (or nearly), and bins for the others."""

    low: float
    high: float
    zeros: int
    first: int
    """The key of the first bin: the top bits of a float32, without its sign."""
    counts: Counts
    """[2, BINS]: positive values, then negative ones, from the smallest magnitude up."""

    @property
    def total(self) -> int:
        """How many values were counted."""
        return self.zeros + int(self.counts.sum())

    def merged(self, other: "Histogram") -> "Histogram":
        """The histogram of the values of both."""
        first = max(self.first, other.first)
        (zeros, counts), (other_zeros, other_counts) = self._from(first), other._from(first)
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Histogram(low, high, zeros + other_zeros, first, counts + other_counts)

    def values(self) -> tuple[Values, Counts]:
        """The middles of the bins that are not empty, in rising order, and how many values each stands for."""
        middles = _middles(self.first)
        values = np.concatenate([-middles[::-1], [0.0], middles])
        counts = np.concatenate([self.counts[1, ::-1], [self.zeros], self.counts[0]])
        found = counts > 0
        return np.clip(values[found], self.low, self.high), counts[found]

    def percentile(self, share: float) -> float:
        """What ``share`` percent of the values do not exceed: numpy.percentile to half a bin, its ends exactly."""
        values, counts = self.values()
        last = self.total - 1
        place = last * share / 100
        below = int(place)
        around = np.array([below, min(below + 1, last)])
        nearest = values[np.searchsorted(np.cumsum(counts), around, side="right")]
        nearest[around == 0], nearest[around == last] = self.low, self.high
        return float(nearest[0] + (nearest[1] - nearest[0]) * (place - below))

    def _from(self, first: int) -> tuple[int, Counts]:
        """The zeros and counts in a window that starts at ``first``, at or above this one's."""
        rise = min(first - self.first, BINS)
        counts = np.zeros_like(self.counts)
        counts[:, : BINS - rise] = self.counts[:, rise:]
        return self.zeros + int(self.counts[:, :rise].sum()), counts


EMPTY = Histogram(np.inf, -np.inf, 0, 1, np.zeros((2, BINS), np.int64))


def histogram_of(array: npt.NDArray[np.float32]) -> Histogram:
    """The histogram of all values in ``array``, which are finite."""
    if not array.size:
        return EMPTY
    flat = np.ascontiguousarray(array).reshape(-1)
    low, high = float(flat.min()), float(flat.max())
    first = _first_key(max(abs(low), abs(high)))
    counts = np.zeros(2 * KEYS, np.int64)
    for start in range(0, flat.size, CHUNK):
        counts += np.bincount(flat[start : start + CHUNK].view(np.uint32) >> DROPPED, minlength=2 * KEYS)
    by_sign = counts.reshape(2, KEYS)
    return Histogram(low, high, int(by_sign[:, :first].sum()), first, by_sign[:, first : first + BINS].copy())


def _first_key(largest: float) -> int:
    """The key of the lowest bin in the window of ``largest``; never 0, the key of zero itself."""
    exponent = int(np.float32(largest).view(np.uint32)) >> MANTISSA_BITS
    return max(1, (exponent - OCTAVES + 1) * BINS_PER_OCTAVE)


def _middles(first: int) -> Values:
    """The magnitudes in the middle of the bins from ``first`` on."""
    keys = np.arange(first, first + BINS, dtype=np.uint32)
    bits = (keys << DROPPED) + (1 << (DROPPED - 1))
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)
