"""Finds, reads and overrides recipe files."""

import difflib
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from qcompile.errors import RecipeError
from qcompile.frontend.one_shot_recipe import ONE_SHOT, OneShotRecipe
from qcompile.frontend.recipe import Recipe
from qcompile.frontend.tables import read_table

AnyRecipe = Recipe | OneShotRecipe

_SUFFIX = ".toml"


def load_recipe(name: str, overrides: Iterable[str] = ()) -> AnyRecipe:
    """The recipe called ``name``, one that is shipped or a path to a .toml file, with ``overrides`` applied.

    An override is "key=value" or "table.key=value", the value in TOML ("seed=2", 'method="direct"'); a part of the
    key that holds a dot or a star is quoted ('layers."fc*".entries=4').

    Raises RecipeError if there is no such recipe, or as ``read_recipe`` does.
    """
    table = _parse(_read_text(name), name)
    overrides = list(overrides)
    for override in overrides:
        _apply(override, table)
    return read_recipe(table, name if not overrides else f"{name} with --set")


def read_recipe(table: dict[str, Any], where: str) -> AnyRecipe:
    """The recipe in a parsed TOML file; ``where``, its name, begins each error. Its "method" decides which kind it is.

    Raises RecipeError for an unknown or missing key, a wrong type or a value out of range.
    """
    if table.get("method") == ONE_SHOT:
        return read_table(OneShotRecipe, table, where)
    return read_table(Recipe, table, where)


def shipped_recipes() -> list[str]:
    """The names of the recipes that come with qcompile."""
    folder = files("qcompile.models") / "recipes"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def _read_text(name: str) -> str:
    if not name.endswith(_SUFFIX):
        names = shipped_recipes()
        if name in names:
            return (files("qcompile.models") / "recipes" / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
        near = difflib.get_close_matches(name, names, n=3) or names
        raise RecipeError(
            f'no recipe is called "{name}"; near names: {", ".join(near)}, or give a path to a .toml file'
        )
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{name}: cannot be read ({error})") from error


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not TOML ({error})") from error


def _apply(override: str, table: dict[str, Any]) -> None:
    """Replaces one value of ``table``, which may be a table itself."""
    key, equals, _ = override.partition("=")
    if not equals or "\n" in override:
        raise RecipeError(f"--set {override}: wanted key=value, such as seed=2 or schedule.growth=1.2")
    try:
        path, change = _path_of(tomllib.loads(f"{key}=0")), tomllib.loads(override)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f'--set {override}: not TOML ({error}); a text takes quotes: method="direct"') from error
    for part in path[:-1]:
        change, table = change[part], table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(f'--set {override}: "{part}" is {table!r} in the recipe, no table')
    table[path[-1]] = change[path[-1]]


def _path_of(nested: dict[str, Any]) -> list[str]:
    ((key, value),) = nested.items()
    return [key, *_path_of(value)] if isinstance(value, dict) else [key]
