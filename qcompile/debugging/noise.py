"""Signal and noise, summed up batch by batch: no tensor is kept."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt


class NoiseSum:
    """The sums of squares of what was wanted, the signal, and of what was found less that, the noise; float64."""

    def __init__(self) -> None:
        self.signal = 0.0
        self.noise = 0.0

    def add(self, wanted: npt.NDArray[Any], found: npt.NDArray[Any]) -> None:
        """Adds a batch: two arrays of one shape. ValueError where the shapes differ."""
        if wanted.shape != found.shape:
            raise ValueError(f"{list(wanted.shape)} wanted, {list(found.shape)} found")
        for row, own in zip(np.atleast_1d(wanted), np.atleast_1d(found), strict=True):  # one by one: float64 is large
            signal = np.asarray(row, np.float64).reshape(-1)
            noise = signal - np.asarray(own).reshape(-1)
            self.signal += float(signal @ signal)
            self.noise += float(noise @ noise)

    @property
    def sqnr_db(self) -> float:
        """10 log10(signal / noise): infinite without noise, minus infinity for noise alone or what is not finite."""
        if self.noise == 0:
            return math.inf
        if self.signal == 0 or not math.isfinite(self.signal) or not math.isfinite(self.noise):
            return -math.inf
        return 10 * math.log10(self.signal / self.noise)


class ShareSum:
    """How many of the values that came by were counted."""

    def __init__(self) -> None:
        self.counted = 0
        self.total = 0

    def add(self, is_counted: npt.NDArray[np.bool_]) -> None:
        """Adds a batch of values, each counted or not."""
        self.counted += int(np.count_nonzero(is_counted))
        self.total += is_counted.size

    @property
    def share(self) -> float:
        """The part that was counted, 0 to 1; 0 of nothing."""
        return self.counted / self.total if self.total else 0.0
