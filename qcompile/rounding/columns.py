"""What a layer multiplies by its weight: the columns of its input, of a convolution one for each tap and channel."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

POSITIONS = 64  # of one sample at most: neighbours see nearly the same, so more tell little


@dataclass(frozen=True)
class Dense:
    """A MatMul or Gemm: rows [..., k] of the input are what it multiplies, in one group."""

    def width(self, shape: tuple[int, ...]) -> int:
        """How many columns an input of ``shape`` has in all groups."""
        return shape[-1]

    def columns(self, x: Floats, random: np.random.Generator) -> Doubles:
        """The rows [1, rows, k] of ``x`` [..., k]: ``POSITIONS`` for each sample, all where there are no more."""
        flat = x.reshape(len(x), -1, x.shape[-1]) if x.ndim > 2 else x.reshape(-1, 1, x.shape[-1])
        chosen = _choose(flat.shape[1], random)
        return flat[:, chosen].reshape(1, -1, x.shape[-1]).astype(np.float64)


@dataclass(frozen=True)
class Convolution:
    """A convolution over one or two axes; ``pads`` are the begins, then the ends, of zeros."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    group: int

    def width(self, shape: tuple[int, ...]) -> int:
        """How many columns an input of ``shape`` has in all groups."""
        return shape[1] * math.prod(self.kernel)

    def columns(self, x: Floats, random: np.random.Generator) -> Doubles:
        """Columns [group, rows, k] of ``x`` [samples, channels, ...], k as a weight [n, channels / group, ...] has.

        ``POSITIONS`` outputs of each sample, all where there are no more.
        """
        axes = len(self.kernel)
        windows = self._windows(np.pad(x, [(0, 0), (0, 0), *zip(self.pads[:axes], self.pads[axes:], strict=True)]))
        windows = np.moveaxis(windows, 1, axes + 1)  # [samples, outputs..., channels, taps...]
        shape = windows.shape[1 : axes + 1]
        places = np.unravel_index(_choose(math.prod(shape), random), shape)
        index: tuple[Any, ...] = (slice(None), *places)
        taken = windows[index]
        grouped = taken.reshape(taken.shape[0] * taken.shape[1], self.group, -1)
        return np.ascontiguousarray(grouped.transpose(1, 0, 2), np.float64)

    def _windows(self, x: Floats) -> Floats:
        """A view [samples, channels, outputs..., taps...] of ``x``, which is padded."""
        spans = [(taps - 1) * dilation + 1 for taps, dilation in zip(self.kernel, self.dilations, strict=True)]
        axes = tuple(range(2, 2 + len(spans)))
        windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=axes)
        steps = (slice(None, None, step) for step in (*self.strides, *self.dilations))
        return windows[(slice(None), slice(None), *steps)]


def _choose(places: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """Which of ``places`` are looked at, rising."""
    return np.sort(random.permutation(places)[:POSITIONS]) if places > POSITIONS else np.arange(places)
