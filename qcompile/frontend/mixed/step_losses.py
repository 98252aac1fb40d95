"""What a step, or an epoch, found the losses of its passes to be."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepLosses:
    """The batch's mean loss of each pass, without its weight, and the distortion of each random one.

    A random pass's loss holds its weighted distortion too.
    """

    largest: float
    random: tuple[float, ...]
    distortions: tuple[float, ...]

    def plus(self, other: "StepLosses", share: float) -> "StepLosses":
        """These and ``share`` times ``other``, pass by pass."""
        return StepLosses(
            self.largest + share * other.largest,
            tuple(mine + share * theirs for mine, theirs in zip(self.random, other.random, strict=True)),
            tuple(mine + share * theirs for mine, theirs in zip(self.distortions, other.distortions, strict=True)),
        )


@dataclass(frozen=True)
class EpochLosses:
    """Means over an epoch: the largest pass's loss, a random one's, and a random one's distortion, unweighted."""

    largest: float
    random: float
    distortion: float


def no_losses(random_passes: int) -> StepLosses:
    """All zero: where a sum begins."""
    return StepLosses(0.0, (0.0,) * random_passes, (0.0,) * random_passes)


def mean_losses(parts: Iterable[StepLosses], random_passes: int) -> EpochLosses:
    """The sum of ``parts``, and of the random passes their mean; 0 where there is none."""
    total = no_losses(random_passes)
    for part in parts:
        total = total.plus(part, 1.0)
    count = max(1, random_passes)
    return EpochLosses(total.largest, sum(total.random) / count, sum(total.distortions) / count)
