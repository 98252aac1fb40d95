"""The values of codebooks that a user gives."""

import math

import numpy as np

from qcompile.errors import RecipeError
from qcompile.frontend.codebooks.base import MAX_ENTRIES


def check_values(values: tuple[float, ...]) -> None:
    """Raises RecipeError unless there are 1 to 256 values that are finite and rise, also as float32."""
    if not 1 <= len(values) <= MAX_ENTRIES:
        raise RecipeError(f"values has {len(values)} entries, wanted 1 to {MAX_ENTRIES}")
    with np.errstate(over="ignore"):
        stored = np.array(values, np.float64).astype(np.float32)
    if not np.isfinite(stored).all() or (np.diff(stored) <= 0).any():
        raise RecipeError(f"values is {_shorten(values)}, wanted finite numbers that rise and that float32 tells apart")


def check_integers(values: tuple[float, ...]) -> None:
    """Raises RecipeError unless the ``values`` rise and each is an integer that int8 holds."""
    check_values(values)
    if any(value != math.floor(value) or not -128 <= value <= 127 for value in values):
        raise RecipeError(f"values is {_shorten(values)}, wanted integers from -128 to 127")


def is_symmetric(values: tuple[float, ...]) -> bool:
    """Whether each value's negative is a value too: then a negative scale offers nothing new."""
    return all(low == -high for low, high in zip(values, reversed(values), strict=True))


def _shorten(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values[:8]) + ", ..." * (len(values) > 8)
