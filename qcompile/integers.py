"""What makes activations integers: each way is a value."""

import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qcompile.calibration import MeanSquareError, Method, Reader
from qcompile.rounding import Rounding, SecondOrder


@dataclass(frozen=True)
class Integers:
    """What makes activations integers: sample inputs, from which each tensor's range is found, and how.

    ``reader`` gives batches of inputs by name, until None. ``activation_bits`` is for all tensors or by name;
    ``weight_bits`` is for weights that were not learned, of all layers or by name, and ``rounding`` says how these are
    rounded: SecondOrder runs the network on the samples and holds all batches that ``reader`` gives; Plain does
    neither. ``cache`` keeps what was measured of activations: a stopped calibration goes on, a finished one is not run
    again. ``progress`` is told how many batches of it were run.
    """

    reader: Reader
    activation_bits: int | Mapping[str, int] = 8
    weight_bits: int | Mapping[str, int] = 8
    method: Method = field(default_factory=MeanSquareError)
    rounding: Rounding = field(default_factory=SecondOrder)
    cache: pathlib.Path | None = None
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True)
class DynamicIntegers:
    """What makes the rows of matrix products integers as they come: each has a range of its own, no samples are needed.

    ``weight_bits`` is for weights that were not learned.
    """

    activation_bits: int = 8
    weight_bits: int = 8
