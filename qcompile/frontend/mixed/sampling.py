"""Random plans, with which the sub-networks of a step are trained."""

from collections.abc import Mapping
from dataclasses import dataclass

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


def draw_plan(
    drawable: Mapping[str, Candidates], generator: torch.Generator, odds: SmallestOdds = EVEN
) -> dict[str, LayerBits]:
    """A plan whose widths are drawn independently from ``drawable``, each as likely as the others but for ``odds``.

    Takes two numbers a layer from ``generator``, whatever there is to draw: so runs that differ in ``drawable`` or
    ``odds`` alone go on with the same numbers. A width without alternative is taken whatever its odds.
    """
    places = torch.rand(len(drawable), 2, generator=generator, dtype=torch.float64).tolist()
    return {
        name: LayerBits(
            _pick(candidates.weight, odds.weight, places[layer][0]),
            _pick(candidates.activation, odds.activation, places[layer][1]),
        )
        for layer, (name, candidates) in enumerate(drawable.items())
    }


def draw_generator(generator: torch.Generator) -> torch.Generator:
    """A generator of its own, seeded by one number from ``generator``: what is drawn from it moves nothing else."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator().manual_seed(seed)


def _pick(widths: tuple[int, ...], smallest_odds: float, place: float) -> int:
    """The width at ``place``, 0 to below 1, of a line on which the smallest one takes ``smallest_odds`` of a piece."""
    if len(widths) == 1:
        return widths[0]
    far = place * (smallest_odds + len(widths) - 1)
    if far < smallest_odds:
        return widths[0]
    return widths[min(1 + int(far - smallest_odds), len(widths) - 1)]
