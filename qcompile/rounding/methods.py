"""How float weights become whole numbers: each way is a value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Values = Literal["grid", "codebook"]


@dataclass(frozen=True)
class Plain:
    """Each weight becomes the nearest number of its output's grid."""


@dataclass(frozen=True)
class RoundedLayer:
    """What rounding did to the outputs of layer ``name`` on the sample inputs, as shares of the outputs' variance.

    ``plain_error`` is the variance of the error that plain rounding would give, ``error`` that of what was done;
    both are None, and ``reason`` says why, where the layer was rounded plainly.
    """

    name: str
    bits: int
    plain_error: float | None = None
    error: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class SecondOrder:
    """The error of each layer's output on the sample inputs is made small: columns make up for those before them.

    Layers see what the rounded layers before them give; so the network runs again for each layer, or, where there are
    more, in ``runs`` parts: 1 looks at the float network only. ``damping`` is the share of the mean variance of what
    a layer reads that is added to all: more trusts few samples less. ``progress`` is told of each layer that is done.
    ``values`` "grid" are all whole numbers of so many bits times a step of each output, "codebook" as many int8 that
    serve the layer best in their place.

    Raises ValueError unless ``runs`` is at least 1, ``damping`` above 0 and ``values`` one of these.
    """

    runs: int = 32
    damping: float = 0.01
    progress: Callable[[RoundedLayer], None] | None = None
    values: Values = "grid"

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ValueError(f"{self.runs} runs: wanted at least 1")
        if self.values not in get_args(Values):
            raise ValueError(f'values "{self.values}": wanted one of {", ".join(get_args(Values))}')
        if not self.damping > 0:
            raise ValueError(f"a damping of {self.damping}: wanted a number above 0")


Rounding = Plain | SecondOrder
