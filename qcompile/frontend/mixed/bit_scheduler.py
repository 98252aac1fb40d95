"""Which bit-widths rest for a while, so that the others can settle: the published rule, better ones and controls.

All are frozen settings; what lasts from one decision to the next is in the ``Decision``. Weights shared by many widths
are pulled about by the smallest one; a layer that changes much at its smallest width is not trained at it for a while.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.decision import Decision
from qcompile.frontend.mixed.freezing import Freezing
from qcompile.frontend.mixed.quantized_layer import QuantizedLayer
from qcompile.frontend.mixed.sampling import SmallestOdds
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.frontend.mixed.turbulence import changed_share, smallest_codes, turbulence


class BitScheduler(Protocol):
    """Says when decisions are due, and decides."""

    def decisions(self, progress: float) -> int:
        """How many decisions there are up to ``progress``, 0 to 1: when this grows one is due."""
        ...

    def decide(
        self, supernet: Supernet, progress: float, generator: torch.Generator, last: Decision | None
    ) -> Decision:
        """What may be drawn until the next decision; ``last`` is the one before, None at the beginning of a run."""
        ...


@dataclass(frozen=True)
class NoFreezing:
    """Every width may always be drawn, each as likely as the others."""

    def decisions(self, progress: float) -> int:
        """None: what is decided at the beginning stands."""
        return 0

    def decide(
        self, supernet: Supernet, progress: float, generator: torch.Generator, last: Decision | None
    ) -> Decision:
        """All candidates."""
        return Decision(supernet.candidates)


@dataclass(frozen=True)
class RarerSmallest:
    """A control: nothing is frozen, but the smallest width of each layer is always drawn less often, by ``odds``."""

    odds: SmallestOdds = field(default_factory=lambda: SmallestOdds(weight=0.5))

    def decisions(self, progress: float) -> int:
        """None: what is decided at the beginning stands."""
        return 0

    def decide(
        self, supernet: Supernet, progress: float, generator: torch.Generator, last: Decision | None
    ) -> Decision:
        """All candidates, with these odds."""
        return Decision(supernet.candidates, self.odds)


@dataclass(frozen=True)
class _Freezes:
    freezing: Freezing = field(default_factory=Freezing)

    def decisions(self, progress: float) -> int:
        """As ``freezing`` says."""
        return self.freezing.decisions(progress)

    def _frozen(self, supernet: Supernet, scores: Mapping[str, float], progress: float) -> dict[str, Candidates]:
        return self.freezing.freeze(supernet.candidates, scores, progress)


@dataclass(frozen=True)
class PublishedTurbulence(_Freezes):
    """Freezes layers with many weights near a boundary, the mean taken over the widths that may now be drawn.

    A frozen layer's mean is over larger widths only, which lowers it: it is mostly released by the next decision,
    whatever its weights do. Source: Tang et al., arXiv 2401.01543, as its published code decides.
    """

    def decide(
        self, supernet: Supernet, progress: float, generator: torch.Generator, last: Decision | None
    ) -> Decision:
        """The layers of the highest turbulence lose their smallest width."""
        now = supernet.candidates if last is None else last.drawable
        scores = {name: turbulence(layer, now[name].weight) for name, layer in searched_layers(supernet).items()}
        return Decision(self._frozen(supernet, scores, progress))


@dataclass(frozen=True)
class FullSetTurbulence(_Freezes):
    """The published measure, but over all candidate widths of each layer: frozen or not, layers compare alike."""

    def decide(
        self, supernet: Supernet, progress: float, generator: torch.Generator, last: Decision | None
    ) -> Decision:
        """The layers of the highest turbulence lose their smallest width."""
        layers = searched_layers(supernet)
        scores = {name: turbulence(layer, layer.candidates.weight) for name, layer in layers.items()}
        return Decision(self._frozen(supernet, scores, progress))


@dataclass(frozen=True)
class FlipRate(_Freezes):
    """Freezes layers of whose weights many have another code, at the smallest width, than at the last decision.

    The first decision of a run only remembers the codes. One that went to and fro in between is not counted.
    """

    def decide(
        self, supernet: Supernet, progress: float, generator: torch.Generator, last: Decision | None
    ) -> Decision:
        """The layers of the highest rate lose their smallest width."""
        codes = {name: smallest_codes(layer) for name, layer in searched_layers(supernet).items()}
        before = {} if last is None else last.codes
        scores = {name: changed_share(before[name], now) for name, now in codes.items() if name in before}
        return Decision(self._frozen(supernet, scores, progress), codes=codes)


@dataclass(frozen=True)
class RandomFreezing(_Freezes):
    """A control: as many layers as the other rules freeze, but drawn from the generator."""

    def decide(
        self, supernet: Supernet, progress: float, generator: torch.Generator, last: Decision | None
    ) -> Decision:
        """Random layers lose their smallest width."""
        layers = list(searched_layers(supernet))
        scores = dict(zip(layers, torch.rand(len(layers), generator=generator).tolist(), strict=True))
        return Decision(self._frozen(supernet, scores, progress))


def searched_layers(supernet: Supernet) -> dict[str, QuantizedLayer]:
    """The layers that have more than one weight width: only these can lose one."""
    return {name: layer for name, layer in supernet.layers.items() if len(layer.candidates.weight) > 1}
