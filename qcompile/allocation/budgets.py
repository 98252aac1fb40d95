"""What a plan of bits is held to: a budget of costs, or how many predictions may differ."""

import re
from dataclasses import dataclass

from qcompile.errors import DataError
from qcompile.search import Budget, budget


@dataclass(frozen=True)
class Drop:
    """At most ``share``, 0 to 1, of the samples that are held out may be predicted other than the float model does.

    Raises DataError for other shares.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise DataError(f"drop: {100 * self.share:.15g} %, wanted at least 0 and less than 100")

    def as_text(self) -> str:
        """As ``read_target`` reads it."""
        return f"drop={100 * self.share:.15g}%"


Target = Budget | Drop


def read_target(text: str) -> Target:
    """The target that ``text`` says: "drop=0.5%", or limits with commas between as ``qcompile.search.budget`` reads.

    Raises DataError for anything else.
    """
    kind, _, value = (part.strip() for part in text.partition("="))
    if kind != "drop":
        return budget(text)
    matched = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*%", value, re.ASCII)
    if matched is None:
        raise DataError(f'budget: "{text}", wanted a share of the samples alone, in percent, such as drop=0.5%')
    return Drop(float(matched[1]) / 100)
