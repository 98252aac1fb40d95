"""What a bit scheduler decided: the state that lasts until it decides anew."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.sampling import EVEN, SmallestOdds

_ODDS, _WEIGHT, _ACTIVATION, _CODES = "odds", "weight.", "activation.", "codes."


@dataclass(frozen=True, eq=False)
class Decision:
    """What may be drawn and how often, and by layer the int8 ``codes`` that the next decision compares with."""

    drawable: Mapping[str, Candidates]
    odds: SmallestOdds = EVEN
    codes: Mapping[str, torch.Tensor] = field(default_factory=dict)


def write_decision(decision: Decision) -> dict[str, torch.Tensor]:
    """``decision`` as tensors for a checkpoint."""
    tensors = {_ODDS: torch.tensor([decision.odds.weight, decision.odds.activation], dtype=torch.float64)}
    for name, candidates in decision.drawable.items():
        tensors[_WEIGHT + name] = torch.tensor(candidates.weight)
        tensors[_ACTIVATION + name] = torch.tensor(candidates.activation)
    return tensors | {_CODES + name: codes for name, codes in decision.codes.items()}


def read_decision(tensors: Mapping[str, torch.Tensor], layers: Mapping[str, Candidates]) -> Decision:
    """The decision that ``write_decision`` gave, in the order of ``layers``: plans are drawn in that order.

    Raises KeyError for a layer that ``tensors`` do not know.
    """
    drawable = {
        name: Candidates(_widths(tensors[_WEIGHT + name]), _widths(tensors[_ACTIVATION + name])) for name in layers
    }
    codes = {name.removeprefix(_CODES): each for name, each in tensors.items() if name.startswith(_CODES)}
    return Decision(drawable, SmallestOdds(*tensors[_ODDS].tolist()), codes)


def _widths(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(int(width) for width in tensor)
