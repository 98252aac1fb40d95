"""Text for terminals: names in a stranger's file must not steer them."""


def printable(name: str) -> str:
    """``name`` with "?" for each control character."""
    return "".join(c if c.isprintable() else "?" for c in name)


def printable_lines(text: str) -> str:
    """``text`` with "?" for each control character but line feeds."""
    return "\n".join(map(printable, text.split("\n")))
