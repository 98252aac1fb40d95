"""Numbers as people read them."""

import pathlib

NOTHING = "\u2013"


def bytes_text(count: float) -> str:
    """At most four digits and a unit: 74,526 is "74.5 kB"."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"


def count_text(count: float) -> str:
    """At most three digits and the power of a thousand: 40,551,040 is "40.6 M"."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


def time_text(microseconds: float) -> str:
    """Microseconds, from a thousand on milliseconds."""
    return f"{microseconds / 1e3:.3g} ms" if microseconds >= 1e3 else f"{microseconds:.3g} \u00b5s"


def decibel_text(value: float | None) -> str:
    """One decimal; "exact" where there is no noise."""
    if value is None:
        return NOTHING
    return "exact" if value == float("inf") else f"{value:.1f} dB"


def percent_text(share: float | None) -> str:
    """One decimal of a share, 0 to 1."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def shape_text(shape: tuple[int, ...]) -> str:
    """64 x 64 x 3 x 3, with signs."""
    return "\u00d7".join(map(str, shape))


def file_name(path: str) -> str:
    """The last part of ``path``."""
    return pathlib.PurePath(path).name
