"""Frozen dataclasses from TOML tables, and back: unknown keys and wrong types are refused."""

import difflib
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from qcompile.errors import RecipeError

Value = TypeVar("Value")


def read_table(kind: type[Value], table: object, where: str) -> Value:
    """A ``kind``, a dataclass, from a TOML table.

    Fields may be bool, int, float, str, Literal, dataclass, dict, tuple of any length, or one of several of these.

    Raises RecipeError, beginning with ``where`` (file and table), for an unknown or missing key or a wrong type, and
    for what ``kind`` itself refuses.
    """
    if not isinstance(table, dict):
        raise RecipeError(f"{where}: found {table!r}, wanted a table of {', '.join(_field_map(kind))}")
    known, types = _field_map(kind), get_type_hints(kind)
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known keys are {', '.join(known)}"
            raise RecipeError(f'{where}: unknown key "{key}"; {hint}')
    missing = [name for name, known_field in known.items() if _is_required(known_field) and name not in table]
    if missing:
        raise RecipeError(f"{where}: {', '.join(missing)} is missing")
    values = {key: _read_value(types[key], value, f"{where}: {key}") for key, value in table.items()}
    try:
        return kind(**values)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error


def write_table(value: object) -> str:
    """TOML text of a dataclass of the kind that ``read_table`` reads, every field written out."""
    return "".join(line + "\n" for line in _lines(as_table(value), ())).lstrip("\n")


def _field_map(kind: Any) -> dict[str, "Field[Any]"]:
    return {each.name: each for each in fields(kind)}


def _is_required(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _read_value(kind: Any, value: object, where: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return read_table(kind, value, where)
    if get_origin(kind) is dict and isinstance(value, dict):
        return {key: _read_value(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_read_value(get_args(kind)[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if get_origin(kind) is Union:
        return _read_any(get_args(kind), value, where)
    if get_origin(kind) is Literal:
        if type(value) is str and value in get_args(kind):
            return value
        raise RecipeError(f"{where} is {value!r}, wanted one of {_name(kind)}")
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not (get_origin(kind) or kind):  # not isinstance: true is no number
        raise RecipeError(f"{where} is {value!r}, wanted {_name(kind)}")
    return value


def _read_any(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    """``value`` as the first of ``kinds`` that it fits."""
    for kind in kinds:
        with suppress(RecipeError):
            return _read_value(kind, value, where)
    raise RecipeError(f"{where} is {value!r}, wanted {' or '.join(map(_name, kinds))}")


def _name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    return "a list" if get_origin(kind) is tuple else str(getattr(kind, "__name__", kind))


def as_table(value: Any) -> Any:
    """Dataclasses as dicts and tuples as lists, all the way down: what TOML and JSON can hold."""
    if is_dataclass(value):
        return {each.name: as_table(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {key: as_table(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [as_table(item) for item in value]
    return value


def _lines(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines = [f"{_key(key)} = {_literal(value)}" for key, value in plain.items()]
    if path and plain:
        lines = ["", f"[{'.'.join(map(_key, path))}]", *lines]
    for key, value in tables.items():
        lines += _lines(value, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _literal(key)


def _literal(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case str():
            escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value)
            return f'"{escaped}"'
        case _:
            return repr(value)
