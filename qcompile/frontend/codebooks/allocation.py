"""Chooses one option for each layer so that together they cost little and stay within a budget."""

from collections.abc import Sequence
from dataclasses import dataclass

_BISECTIONS = 100  # the price is then known to the last bit of a float64, or nearly


@dataclass(frozen=True)
class Option:
    """What a layer may become: ``bits`` an index, ``size_bytes`` in the file, ``distortion`` its squared error."""

    bits: int
    size_bytes: int
    distortion: float


def choose_options(layers: Sequence[Sequence[Option]], budget_bytes: int) -> list[Option]:
    """One option of each layer, ``budget_bytes`` at most in all, with little distortion in all.

    At a price of lambda a byte each layer takes the option with the least distortion + lambda * size_bytes; lambda is
    the lowest price, found by bisection, at which all fit: optimal among choices of their size (Everett 1963). What
    is left of the budget buys the changes that save the most distortion for a byte.

    Raises ValueError, telling the bytes, if even the smallest options do not fit.
    """
    smallest = [min(options, key=lambda option: (option.size_bytes, option.distortion)) for options in layers]
    if _size(smallest) > budget_bytes:
        raise ValueError(f"the smallest choice takes {_size(smallest)} bytes, the budget is {budget_bytes}")
    low, high = 0.0, max((option.distortion for options in layers for option in options), default=0.0) + 1.0
    if _size(_choose_at(layers, low)) <= budget_bytes:
        return _choose_at(layers, low)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _size(_choose_at(layers, middle)) <= budget_bytes:
            high = middle
        else:
            low = middle
    return _spend_rest(layers, _choose_at(layers, high), budget_bytes)


def _choose_at(layers: Sequence[Sequence[Option]], price: float) -> list[Option]:
    return [min(options, key=lambda o: (o.distortion + price * o.size_bytes, o.size_bytes)) for options in layers]


def _spend_rest(layers: Sequence[Sequence[Option]], chosen: list[Option], budget_bytes: int) -> list[Option]:
    """``chosen`` with more bytes where they fit, the best saving for a byte first."""
    while True:
        left = budget_bytes - _size(chosen)
        changes = [
            ((now.distortion - option.distortion) / (option.size_bytes - now.size_bytes), place, option)
            for place, (now, options) in enumerate(zip(chosen, layers, strict=True))
            for option in options
            if 0 < option.size_bytes - now.size_bytes <= left and option.distortion < now.distortion
        ]
        if not changes:
            return chosen
        _, place, option = max(changes, key=lambda change: change[0])
        chosen = [*chosen[:place], option, *chosen[place + 1 :]]


def _size(options: Sequence[Option]) -> int:
    return sum(option.size_bytes for option in options)
