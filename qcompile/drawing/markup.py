"""HTML and SVG elements whose text and attributes are escaped where they are made: no string is ever put together."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from qcompile.text import printable

LONGEST_NAME = 200
VOID = frozenset(["br", "col", "input", "meta", "wbr"])
Attributes = Mapping[str, object]


@dataclass(frozen=True)
class Markup:
    """Text that is markup already: ``element`` and ``joined`` make it."""

    text: str


Child = Markup | str


def element(tag: str, attributes: Attributes | None = None, *children: Child) -> Markup:
    """The element ``tag``: strings among ``children``, and the values of ``attributes``, are escaped.

    A control character, or one that turns the direction of writing, becomes "?". Floats have two decimals at most.
    """
    words = "".join(f' {name}="{_escaped(_written(value))}"' for name, value in (attributes or {}).items())
    if tag in VOID:
        return Markup(f"<{tag}{words}>")
    return Markup(f"<{tag}{words}>{joined(children).text}</{tag}>")


def joined(children: Iterable[Child]) -> Markup:
    """``children`` one behind the other; strings are escaped."""
    return Markup("".join(child.text if isinstance(child, Markup) else _escaped(child) for child in children))


def unescaped(text: str) -> Markup:
    """``text`` as it is: for style sheets and scripts of our own alone."""
    return Markup(text)


def shown_name(name: str) -> str:
    """A name of a stranger's model, not longer than LONGEST_NAME: of a long one the beginning and a hash."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 14]}... ({digest})"


def document(title: str, style: str, body: Sequence[Child], script: str = "") -> str:
    """A whole page in one file: it may load nothing, and run no other style and script than these two."""
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script) if script else _NONE}",
            f"base-uri {_NONE}",
            f"form-action {_NONE}",
        ]
    )
    head = [
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", {}, title),
        element("style", {}, unescaped(style)),
    ]
    scripts = [element("script", {}, unescaped(script))] if script else []
    page = element("html", {"lang": "en"}, element("head", {}, *head), element("body", {}, *body, *scripts))
    return f"<!doctype html>\n{page.text}\n"


_NONE = "'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _escaped(text: str) -> str:
    return escape(printable(text), quote=True)


def _written(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
