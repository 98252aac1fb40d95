"""The range of one activation: what its codes mean."""

from dataclasses import dataclass

import numpy as np

SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # a denormal may be flushed to zero by whoever loads the file
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Range:
    """Codes 0 to 2^bits - 1 for the reals from ``low`` to ``high``, widened to include 0.

    A code c stands for (c - zero_point) * scale, so 0.0 is exactly the code ``zero_point``; where ``low`` is 0 that is
    0. As the zero point is whole, what the codes cover may lie up to half a step beside [low, high].

    Raises ValueError if an end is no finite float32, low is above high, or bits is not 1 to 8.
    """

    low: float
    high: float
    bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise ValueError(f"codes of {self.bits} bits: wanted 1 to 8")
        if not (-LARGEST <= self.low <= self.high <= LARGEST):  # false for NaN, too
            raise ValueError(f"a range from {self.low} to {self.high}: wanted finite float32 numbers that rise")
        object.__setattr__(self, "low", min(float(self.low), 0.0) + 0.0)  # never -0.0
        object.__setattr__(self, "high", max(float(self.high), 0.0) + 0.0)

    @property
    def largest_code(self) -> int:
        """The codes are 0 to this."""
        return (1 << self.bits) - 1

    @property
    def scale(self) -> float:
        """The step from code to code, a normal float32; 1.0 for a range of only 0."""
        if self.low == self.high:
            return 1.0
        step = (self.high - self.low) / self.largest_code
        return float(np.float32(min(max(step, SMALLEST_SCALE), LARGEST)))

    @property
    def zero_point(self) -> int:
        """The code of 0.0."""
        return min(round(-self.low / self.scale), self.largest_code)


def range_of_codes(scale: float, zero_point: int, bits: int) -> Range:
    """The range whose codes have ``scale``, a float32, and ``zero_point``; cut where it would leave float32."""
    largest = (1 << bits) - 1
    low, high = -zero_point * scale, (largest - zero_point) * scale  # exact: 24 bits times 8 bits
    return Range(max(low, -LARGEST), min(high, LARGEST), bits)
