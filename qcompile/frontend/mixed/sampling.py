"""Random plans, with which the sub-networks of a step are trained."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from qcompile.bit_plan import LayerBits
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.ranges import check_range


@dataclass(frozen=True)
class SmallestOdds:
    """How often the smallest width is drawn for each time that another one is: 1 as often, 0 never."""

    weight: float = 1.0
    activation: float = 1.0

    def __post_init__(self) -> None:
        check_range("weight", self.weight, 0.0, 1.0)
        check_range("activation", self.activation, 0.0, 1.0)


EVEN = SmallestOdds()
Draw = Literal["even", "ceilings"]


def draw_plan(
    drawable: Mapping[str, Candidates],
    generator: torch.Generator,
    odds: SmallestOdds = EVEN,
    draw: Draw = "even",
) -> dict[str, LayerBits]:
    """A plan whose widths are drawn independently from ``drawable``, each as likely as the others but for ``odds``.

    With ``draw`` "ceilings" each plan first draws which part of a layer's widths, from the smallest up, it may have,
    one part for weights and one for activations. Drawn evenly, all plans of many layers have nearly the mean of the
    widths, and none is as small as what a search for few bits will look at.

    Takes two numbers a layer from ``generator``, and two more for ceilings, whatever there is to draw: so runs that
    differ in ``drawable`` or ``odds`` alone go on with the same numbers. A width without alternative is taken whatever
    its odds.
    """
    parts = [1.0, 1.0]
    if draw == "ceilings":
        parts = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    places = torch.rand(len(drawable), 2, generator=generator, dtype=torch.float64).tolist()
    return {
        name: LayerBits(
            _pick(_below(candidates.weight, parts[0]), odds.weight, place[0]),
            _pick(_below(candidates.activation, parts[1]), odds.activation, place[1]),
        )
        for (name, candidates), place in zip(drawable.items(), places, strict=True)
    }


def draw_generator(generator: torch.Generator) -> torch.Generator:
    """A generator of its own, seeded by one number from ``generator``: what is drawn from it moves nothing else."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator().manual_seed(seed)


def _below(widths: tuple[int, ...], part: float) -> tuple[int, ...]:
    """The lowest ``part``, 0 to 1, of ``widths``, at least one."""
    return widths[: max(1, math.ceil(part * len(widths)))]


def _pick(widths: tuple[int, ...], smallest_odds: float, place: float) -> int:
    """The width at ``place``, 0 to below 1, of a line on which the smallest one takes ``smallest_odds`` of a piece."""
    if len(widths) == 1:
        return widths[0]
    far = place * (smallest_odds + len(widths) - 1)
    if far < smallest_odds:
        return widths[0]
    return widths[min(1 + int(far - smallest_odds), len(widths) - 1)]
