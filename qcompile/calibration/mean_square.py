"""The range that loses least: the mean squared error of rounding and of cutting off, minimized over a histogram.

A range is a step between codes and a zero point. For one step all zero points are tried at once: what zero point z
does to negative values is what z codes above zero do to their magnitudes; the other codes serve the positive values.
Steps are tried from that of the full range down. What is cut off can only grow on the way, so where that alone
costs more than the best range found, no smaller step can win and the search is over.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcompile.calibration.histogram import Counts, Histogram, Values
from qcompile.calibration.ranges import SMALLEST_SCALE, Range, range_of_codes

STEPS_PER_OCTAVE = 256  # of the steps that are tried


@dataclass(frozen=True, eq=False)
class Side:
    """The values of one sign: magnitudes that rise, counts, and of all from each place on their moments."""

    magnitudes: Values
    counts: Counts
    numbers: Values
    sums: Values
    squares: Values

    def costs(self, scale: float, codes: int) -> tuple[Values, Values]:
        """Summed squared errors [codes + 1] with 0, 1, ... ``codes`` codes above zero, and what of them is cut off."""
        above = np.arange(codes + 1)
        last = above * scale
        beyond = np.searchsorted(self.magnitudes, (above + 0.5) * scale)  # before it the nearest code is there
        lost = self.squares[beyond] - 2 * last * self.sums[beyond] + last**2 * self.numbers[beyond]
        rounding = self.magnitudes - np.rint(self.magnitudes / scale) * scale
        kept = np.concatenate([[0.0], np.cumsum(self.counts * rounding**2)])
        return kept[beyond] + lost, lost


def best_range(histogram: Histogram, bits: int) -> Range:
    """The range of ``bits`` bits with the least mean squared error of the values in ``histogram``."""
    best = widest = Range(histogram.low, histogram.high, bits)
    if widest.low == widest.high:
        return widest
    values, counts = histogram.values()
    positive = side_of(values[values > 0], counts[values > 0])
    negative = side_of(-values[values < 0][::-1], counts[values < 0][::-1])
    least, scale, tried = np.inf, widest.scale, 0
    while scale >= SMALLEST_SCALE:
        cost_above, lost_above = positive.costs(scale, widest.largest_code)
        cost_below, lost_below = negative.costs(scale, widest.largest_code)
        costs = cost_below + cost_above[::-1]  # by zero point
        if costs.min() < least:
            least, best = costs.min(), range_of_codes(scale, int(costs.argmin()), bits)
        if (lost_below + lost_above[::-1]).min() >= least:
            break
        tried += 1
        scale = float(np.float32(widest.scale * 2 ** (-tried / STEPS_PER_OCTAVE)))
    return best


def side_of(magnitudes: Values, counts: Counts) -> Side:
    """The values with ``magnitudes``, which rise."""
    moments = (counts * magnitudes**power for power in range(3))
    return Side(magnitudes, counts, *(_from_each_place(moment) for moment in moments))


def _from_each_place(terms: npt.NDArray[np.float64]) -> Values:
    """Sums [n + 1] of ``terms`` [n] from each place to the end."""
    return np.concatenate([np.cumsum(terms[::-1])[::-1], [0.0]])
