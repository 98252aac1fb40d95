"""How figures of mixed precision look on the page."""

import itertools
import textwrap
from collections.abc import Iterable, Sequence

from mpq_pairs import Difference

WIDTH = 120


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [line(head), "|" + "---|" * len(head), *map(line, rows)]


def line(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def percent(value: float | None) -> str:
    """An accuracy; empty where there is none."""
    return "" if value is None else f"{value:.2f} %"


def points(difference: Difference) -> str:
    """A difference of accuracies with its standard error, where that is known."""
    error = "" if difference.error is None else f" ± {difference.error:.2f}"
    return f"{difference.mean:+.2f}{error}"


def duration(seconds: float | None) -> str:
    """A time that people can compare."""
    if seconds is None:
        return "not measured"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def giga(operations: float) -> str:
    """A number of bit operations, in units of 10^9."""
    return f"{operations / 1e9:.4g} G"


def flow(text: str) -> str:
    """``text`` with its paragraphs filled to the width of the page; headings and tables stay as they are."""
    parts = []
    for plain, lines in itertools.groupby(text.split("\n"), lambda each: bool(each) and each[0] not in "#|"):
        together = list(lines)
        parts += textwrap.wrap(" ".join(together), WIDTH, break_on_hyphens=False) if plain else together
    return "\n".join(parts)
