"""What a plan may cost at most: any of bytes, bit operations, bits of a weight, and time."""

import math
import re
from dataclasses import dataclass

from qcompile.errors import DataError
from qcompile.search.costs import Costs

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_UNITS = {"bytes": _DECIMAL, "bitops": _DECIMAL, "bits": {"": 1.0}, "latency": _TIMES}
_EXAMPLES = {"bytes": "bytes=80k", "bitops": "bitops=0.4G", "bits": "bits=3.2", "latency": "latency=5ms"}


@dataclass(frozen=True)
class Budget:
    """The most that a plan may cost, of each kind that is not None. Units are those of ``Costs``.

    Raises DataError for a budget without a limit, or one that is not positive.
    """

    packed_bytes: float | None = None
    bit_operations: float | None = None
    average_bits: float | None = None
    latency_ms: float | None = None

    def __post_init__(self) -> None:
        limits = self.limits()
        if not limits:
            raise DataError(f"the budget has no limit; wanted some of {', '.join(_EXAMPLES.values())}")
        for kind, limit in limits.items():
            if not (limit > 0 and math.isfinite(limit)):
                raise DataError(f"the budget's {kind} is {limit}, wanted a number above zero")

    def limits(self) -> dict[str, float]:
        """The limits by their kind: bytes, bitops, bits, latency."""
        values = (self.packed_bytes, self.bit_operations, self.average_bits, self.latency_ms)
        return {kind: limit for kind, limit in zip(_UNITS, values, strict=True) if limit is not None}

    def ratios(self, costs: Costs) -> tuple[float, ...]:
        """Each cost that has a limit, divided by it, in the order of ``limits``.

        Raises DataError if time has a limit and ``costs`` has none.
        """
        found = amounts(costs)
        return tuple(_amount(found, kind) / limit for kind, limit in self.limits().items())

    def is_met(self, costs: Costs) -> bool:
        """Whether no cost is above its limit. Raises as ``ratios``."""
        return self.excess(costs) <= 1

    def excess(self, costs: Costs) -> float:
        """The largest ratio of a cost to its limit: up to 1 where the budget is met. Raises as ``ratios``."""
        return max(self.ratios(costs))

    def overrun(self, costs: Costs) -> float:
        """How much costs are above their limits, in parts of the limits, summed up: zero only where it is met."""
        return sum(max(0.0, ratio - 1) for ratio in self.ratios(costs))

    def as_text(self) -> str:
        """As ``budget`` reads it, in plain units: "bytes=80000,latency=5ms"."""
        return ",".join(_text(kind, limit) for kind, limit in self.limits().items())


def budget(text: str) -> Budget:
    """The budget that ``text`` says: limits with commas between, as "bytes=80k,bitops=0.4G,bits=3.2,latency=5ms".

    k, M, G and T are thousands; time is in us, ms or s. Raises DataError for anything else, or a kind given twice.
    """
    limits: dict[str, float] = {}
    for part in text.split(","):
        kind, limit = _parse(part.strip())
        if kind in limits:
            raise DataError(f'budget "{text}": {kind} is given twice')
        limits[kind] = limit
    return Budget(*(limits.get(kind) for kind in _UNITS))


def amounts(costs: Costs) -> dict[str, float | None]:
    """``costs`` by the kinds of ``Budget.limits``; None where it was not measured."""
    values = (costs.packed_bytes, costs.bit_operations, costs.average_bits, costs.latency_ms)
    return dict(zip(_UNITS, values, strict=True))


def describe(kind: str, amount: float) -> str:
    """``amount`` with its unit, for messages."""
    return _text(kind, amount)


def _amount(found: dict[str, float | None], kind: str) -> float:
    amount = found[kind]
    if amount is None:
        raise DataError(f"the budget limits {kind}, which nobody measured: give a latency table")
    return amount


def _parse(part: str) -> tuple[str, float]:
    kind, _, value = (piece.strip() for piece in part.partition("="))
    if kind not in _UNITS:
        raise DataError(f'budget: "{part}", wanted one of {", ".join(_EXAMPLES.values())}')
    matched = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([A-Za-z]*)", value, re.ASCII)
    if matched is None or matched[2] not in _UNITS[kind] or not float(matched[1]) > 0:
        units = ", ".join(unit or "no unit" for unit in _UNITS[kind])
        raise DataError(f'budget: "{part}", wanted a number above zero with {units}, such as {_EXAMPLES[kind]}')
    return kind, float(matched[1]) * _UNITS[kind][matched[2]]


def _text(kind: str, amount: float) -> str:
    number = f"{amount:.15g}" if amount < 1e15 else f"{amount:.0f}"
    return f"{kind}={number}{'ms' if kind == 'latency' else ''}"
