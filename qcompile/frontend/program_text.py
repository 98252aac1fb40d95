"""The text of a program of torch.export: taken if it says no more than a network of standard operators does.

torch evaluates some of its strings and looks others up, so each must have the form that torch itself writes.
"""

import json
import pathlib
import re
from typing import Any

from qcompile.errors import DataError

OPERATOR = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+"
    r"|torch\.ops\.higher_order\.(wrap_with_set_grad_enabled|wrap_with_autocast|cond)"
    r"|torch\.sym_(int|float|max|min|not|ite)"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|eq|ne|lt|le|gt|ge|and_|or_)"
    r"|math\.(ceil|floor|trunc)"
)
TOLD = re.compile(  # operators that are told something in words; others that take words write files, or print
    r"torch\.ops\.aten\.(einsum|gelu|gelu_|pad|meshgrid|div|div_|conv1d|conv2d|conv3d|scatter_reduce|searchsorted|bucketize)"
    r"\.\w+"
)
WORD = re.compile(r"[\w.-]*", re.ASCII)  # names of values, parameters, modules, kinds of devices
VERSION = re.compile(r"[\w.+<=-]*", re.ASCII)
SIZE = re.compile(r"[\w(),= '-]*", re.ASCII)  # of an axis, as sympy writes it; of these words alone:
SIZE_WORD = re.compile(
    r"Symbol|Integer|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|Eq|Ne|Le|Lt|Ge|Gt|And|Or|Not"
    r"|True|False|integer|positive|nonnegative|[a-z]\d+|\d+",
    re.ASCII,
)
MOST_SIZE = 10_000  # characters
TREES = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None)
MOST_LEVELS = 100


def check_program(path: pathlib.Path, program: Any) -> None:
    """Takes out of ``program``, in place, what only torch's own messages need; raises DataError for any other form.

    ``path`` is told in the error.
    """
    if not isinstance(program, dict) or "graph_module" not in program:
        raise DataError(f"{path}: its program has no graph: damaged?")
    program["guards_code"] = []
    _check(path, program, "", 0)


def _check(path: pathlib.Path, found: Any, key: str, level: int) -> None:
    """Raises DataError unless all strings in ``found``, the value of ``key``, have the form that is theirs."""
    if level > MOST_LEVELS:
        raise DataError(f"{path}: its program nests deeper than {MOST_LEVELS} levels")
    if isinstance(found, str):
        _check_text(path, found, key)
    elif isinstance(found, list):
        for each in found:
            _check(path, each, key, level + 1)
    elif isinstance(found, dict):
        if "metadata" in found:
            found["metadata"] = {}
        if "target" in found:
            _check_words(path, found)
        for name, each in found.items():
            _check_text(path, name, "name")
            if name in ("as_custom_obj", "as_operator") and each is not None:
                raise DataError(f"{path}: its program has an object in it ({name}), wanted tensors and numbers alone")
            _check(path, each, name, level + 1)


def _check_words(path: pathlib.Path, node: dict[str, Any]) -> None:
    """Raises DataError where ``node`` is told something in words and is no operator that takes these."""
    if re.search(r'"as_strings?": ["\[]', json.dumps(node.get("inputs"))) and not TOLD.fullmatch(str(node["target"])):
        raise DataError(
            f"{path}: its program tells {str(node['target'])[:80]!r} something in words, which is not taken"
        )


def _check_text(path: pathlib.Path, text: str, key: str) -> None:
    if not _fits(text, key):
        raise DataError(
            f"{path}: its program has {key} {text[:80]!r}, which is none that torch writes for a network of standard "
            "operators. In Python qcompile.frontend.compile_program takes any program that you have loaded yourself"
        )


def _fits(text: str, key: str) -> bool:
    if key == "as_string":  # such as the equation of einsum: never looked up or evaluated
        return True
    if key in ("in_spec", "out_spec"):
        return not text or _is_plain_tree(text)
    if key == "expr_str":
        return (
            len(text) <= MOST_SIZE
            and SIZE.fullmatch(text) is not None
            and all(SIZE_WORD.fullmatch(word) for word in re.findall(r"\w+", text))
        )
    return {"target": OPERATOR, "torch_version": VERSION}.get(key, WORD).fullmatch(text) is not None


def _is_plain_tree(text: str) -> bool:
    """Whether ``text`` describes tuples, lists and dictionaries by names of words."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(tree, list) and len(tree) == 2 and tree[0] == 1 and _is_plain_node(tree[1], 0)


def _is_plain_node(node: Any, level: int) -> bool:
    if not isinstance(node, dict) or set(node) != {"type", "context", "children_spec"} or level > MOST_LEVELS:
        return False
    children = node["children_spec"]
    if node["type"] not in TREES or not _is_plain_context(node["context"]) or not isinstance(children, list):
        return False
    return all(_is_plain_node(child, level + 1) for child in children)


def _is_plain_context(context: Any) -> bool:
    """Whether ``context`` is nothing, or a JSON list of words: the keys of a dictionary."""
    try:
        found = json.loads(context) if isinstance(context, str) else context
    except (ValueError, RecursionError):
        return False
    return found is None or (
        isinstance(found, list) and all(isinstance(word, str) and WORD.fullmatch(word) for word in found)
    )
