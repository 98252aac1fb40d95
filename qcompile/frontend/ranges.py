"""Settings that must lie in a range."""

from qcompile.errors import RecipeError


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raises RecipeError unless ``value``, which the setting ``name`` has, is ``low`` to ``high``."""
    if not low <= value <= high:
        raise RecipeError(f"{name} is {value}, wanted {low} to {high}")
