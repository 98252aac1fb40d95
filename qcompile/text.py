"""Text for terminals."""


def printable(text: str) -> str:
    """``text`` with "?" for control characters but line feeds: a name in a stranger's file must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
