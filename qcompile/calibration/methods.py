"""How a range is chosen from the histogram of an activation: each method is a value."""

from dataclasses import dataclass

from qcompile.calibration.histogram import Histogram
from qcompile.calibration.mean_square import best_range
from qcompile.calibration.ranges import Range


@dataclass(frozen=True)
class MinMax:
    """Everything that was seen."""

    def range_of(self, histogram: Histogram, bits: int) -> Range:
        """The range from the smallest value to the largest."""
        return Range(histogram.low, histogram.high, bits)


@dataclass(frozen=True)
class Percentile:
    """All but the values above the percentile ``share`` and those below the percentile 100 - ``share``."""

    share: float = 99.99

    def __post_init__(self) -> None:
        if not 50 < self.share <= 100:
            raise ValueError(f"a percentile of {self.share}: wanted more than 50 and at most 100")

    def range_of(self, histogram: Histogram, bits: int) -> Range:
        """The range between the percentiles; all that was seen where nothing but zeros would be left."""
        low, high = histogram.percentile(100 - self.share), histogram.percentile(self.share)
        return Range(low, high, bits) if low < 0 or high > 0 else MinMax().range_of(histogram, bits)


@dataclass(frozen=True)
class MeanSquareError:
    """The least mean squared error of rounding to codes and of cutting off."""

    def range_of(self, histogram: Histogram, bits: int) -> Range:
        """The best range for the values seen; never worse than that of MinMax."""
        return best_range(histogram, bits)


Method = MinMax | Percentile | MeanSquareError
