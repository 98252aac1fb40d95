"""Which numbers of bits a layer may have: patterns on module names, and what holds where none matches."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from qcompile.bit_plan import MOST_BITS
from qcompile.errors import RecipeError
from qcompile.frontend.selection import candidate_layers, first_matches

FEWEST_BITS = 2  # a grid of whole numbers with 1 bit is -1 and 0: no useful weight


@dataclass(frozen=True)
class Candidates:
    """The bits that a layer's weight and the activations that it reads may have, each ascending, from 2 to 8.

    One entry is fixed and never searched. Raises RecipeError for an empty, unordered or repeated row, or bits out of
    range.
    """

    weight: tuple[int, ...]
    activation: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, row in (("weight", self.weight), ("activation", self.activation)):
            whole = all(isinstance(bits, int) and FEWEST_BITS <= bits <= MOST_BITS for bits in row)
            if not row or not whole or list(row) != sorted(set(row)):
                wanted = f"whole numbers from {FEWEST_BITS} to {MOST_BITS}, ascending, at least one"
                raise RecipeError(f"{name} candidates are {list(row)}, wanted {wanted}")


SEARCHED = Candidates((2, 3, 4, 5, 6, 8), (2, 3, 4, 5, 6, 8))
# The few weights of a channel have nobody to make up for their error: with 2 bits such layers do not learn.
DEPTHWISE = Candidates((3, 4, 5, 6, 8), (3, 4, 5, 6, 8))
FIXED = Candidates((8,), (8,))


def select_candidates(network: nn.Module, rules: Mapping[str, Candidates]) -> dict[str, Candidates]:
    """The candidates of each Linear, Conv1d and Conv2d of ``network``, by module name, in the network's order.

    ``rules`` maps patterns on module names ("layer1.*", "fc") to candidates; the first match wins. Where none matches
    the first and the last layer have 8 bits, depthwise convolutions 3 and more, all others 2 and more. Of layers that
    share a weight only the first is listed.

    Raises RecipeError if a pattern matches no layer, or none that an earlier one has not taken, or if there is no
    layer.
    """
    layers = list(candidate_layers(network))
    if not layers:
        raise RecipeError("the network has no Linear, Conv1d or Conv2d whose bits could be chosen")
    ends = (layers[0], layers[-1])
    taken = first_matches(layers, rules)
    return {
        layer: _usual(network.get_submodule(layer), layer in ends) if pattern is None else rules[pattern]
        for layer, pattern in taken.items()
    }


def _usual(layer: nn.Module, is_end: bool) -> Candidates:
    if is_end:
        return FIXED
    if isinstance(layer, nn.Conv1d | nn.Conv2d) and 1 < layer.groups == layer.in_channels:
        return DEPTHWISE
    return SEARCHED
