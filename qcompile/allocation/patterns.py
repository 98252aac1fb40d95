"""Bits of layers by patterns over their names, as a person gives them."""

import fnmatch
import re
from collections.abc import Mapping, Sequence

from qcompile.errors import DataError
from qcompile.passes._layer_names import near


def read_patterns(texts: Sequence[str]) -> dict[str, int]:
    """The bits by pattern that ``texts`` say, each PATTERN=BITS with 1 to 8 bits.

    Raises DataError where one says something else, or a pattern is given twice.
    """
    found: dict[str, int] = {}
    for text in texts:
        pattern, _, bits = text.rpartition("=")
        if not pattern or not re.fullmatch("[1-8]", bits):
            raise DataError(f"layer bits: {text!r}, wanted PATTERN=BITS with 1 to 8 bits, such as layer1.*=4")
        if pattern in found:
            raise DataError(f"layer bits: {pattern!r} is given twice")
        found[pattern] = int(bits)
    return found


def bits_by_pattern(patterns: Mapping[str, int], names: Sequence[str]) -> dict[str, int]:
    """The bits of those of the layers ``names`` that a pattern matches: of several the last; * stands for anything.

    Raises DataError for a pattern that matches none, with the nearest names.
    """
    found: dict[str, int] = {}
    for pattern, bits in patterns.items():
        matched = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matched:
            raise DataError(f"layer bits: {pattern!r} matches no layer with a float weight; {near(pattern, names)}")
        found |= dict.fromkeys(matched, bits)
    return found
